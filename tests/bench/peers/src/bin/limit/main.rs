//! Benchmark peer `limit`: the cost of pure fan-out. One thread, one epoll, and one `send` per member and wake-up. It has no
//! names, permissions, limits or storage; a room is a path.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

mod frames;
mod member;

use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use self::member::{Heard, Member};

const LISTENER: u64 = u64::MAX;
const EVENTS: usize = 1024;
const READ: usize = 64 * 1024;

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    /// Frames for all members, sent at the end of this wake-up.
    batch: Vec<u8>,
}

struct Server {
    listener: TcpListener,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    /// Members by their epoll number; `None` for those that left.
    members: Vec<Option<Member>>,
    rooms: Vec<Room>,
    paths: HashMap<String, usize>,
    /// Rooms with frames to send.
    talking: Vec<usize>,
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("listening {}", listener.local_addr()?);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server = Server {
        listener,
        epoll,
        buffer: vec![0; READ],
        members: Vec::new(),
        rooms: Vec::new(),
        paths: HashMap::new(),
        talking: Vec::new(),
    };
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => server.accept()?,
                number => server.serve(number as usize, event.flags),
            }
        }
        server.broadcast();
    }
}

impl Server {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket: TcpStream = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            epoll::add(&self.epoll, &socket, EventData::new_u64(self.members.len() as u64), EventFlags::IN)?;
            self.members.push(Some(Member::new(socket)));
        }
    }

    /// Reads and writes as much as possible.
    fn serve(&mut self, number: usize, ready: EventFlags) {
        let Some(Some(member)) = self.members.get_mut(number) else { return };
        let served = member.write_waiting(ready).and_then(|()| {
            let read = if ready == EventFlags::OUT { 0 } else { member.read(&mut self.buffer)? };
            member.hear(&self.buffer[..read])
        });
        match served {
            Ok(heard) => {
                self.heard(number, heard);
                self.watch(number);
            }
            Err(_) => self.leave(number),
        }
    }

    fn heard(&mut self, number: usize, heard: Heard) {
        if let Some(path) = heard.entered {
            let room = *self.paths.entry(path).or_insert_with(|| {
                self.rooms.push(Room::default());
                self.rooms.len() - 1
            });
            self.rooms[room].members.push(number);
            if let Some(member) = &mut self.members[number] {
                member.room = Some(room);
            }
        }
        let Some(room) = self.members[number].as_ref().and_then(|member| member.room) else { return };
        if !heard.said.is_empty() {
            if self.rooms[room].batch.is_empty() {
                self.talking.push(room);
            }
            self.rooms[room].batch.extend(heard.said);
        }
    }

    /// Sends the frames of this wake-up to all members, with one `send` each.
    fn broadcast(&mut self) {
        for room in std::mem::take(&mut self.talking) {
            let batch = std::mem::take(&mut self.rooms[room].batch);
            let members = std::mem::take(&mut self.rooms[room].members);
            let mut gone = Vec::new();
            for &number in &members {
                let Some(member) = &mut self.members[number] else { continue };
                match member.send(&batch) {
                    Ok(()) => self.watch(number),
                    Err(_) => gone.push(number),
                }
            }
            self.rooms[room].members = members;
            gone.into_iter().for_each(|number| self.leave(number));
        }
    }

    /// Watches for writability only where data is pending.
    fn watch(&mut self, number: usize) {
        let Some(member) = &mut self.members[number] else { return };
        if let Some(flags) = member.wants_other_events()
            && epoll::modify(&self.epoll, &member.socket, EventData::new_u64(number as u64), flags).is_err()
        {
            self.leave(number);
        }
    }

    fn leave(&mut self, number: usize) {
        let Some(member) = self.members[number].take() else { return };
        if let Some(room) = member.room {
            self.rooms[room].members.retain(|other| *other != number);
        }
    }
}
