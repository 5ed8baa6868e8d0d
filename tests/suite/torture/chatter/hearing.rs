//! How a chatter handles frames from the server.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{Asked, Chatter, Gone};
use crate::harness::Client;
use crate::torture::history::{Stay, What};

impl Chatter {
    pub(super) async fn on_frame(&mut self, client: &mut Client, frame: &Value) -> Result<(), Gone> {
        if let Some(id) = frame["id"].as_u64() {
            let Some(asked) = self.asked.remove(&id) else {
                self.notes.surprises.push(format!("a second answer: {frame}"));
                return Ok(());
            };
            return self.on_answer(client, asked, frame).await;
        }
        let (Some(room), Some(seq)) = (frame["room"].as_str(), frame["seq"].as_u64()) else { return Ok(()) };
        self.around.tally.heard.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.places.iter_mut().find(|place| place.room == room) else { return Ok(()) };
        let Some(stay) = &mut place.stay else {
            self.notes.strays.push((room.to_owned(), seq));
            return Ok(());
        };
        let what = what(frame);
        match &what {
            What::Added { whom } if *whom == self.account.name => place.removed = false,
            What::Removed { whom } if *whom == self.account.name => place.removed = true,
            _ => {}
        }
        stay.heard.push((seq, what));
        place.seen = Some(seq);
        // Missed entries may contain an earlier join and leave, which does not end this stay.
        if place.removed && seq >= place.caught_up {
            self.notes.stays.extend(place.stay.take());
        }
        Ok(())
    }

    async fn on_answer(&mut self, client: &mut Client, asked: Asked, frame: &Value) -> Result<(), Gone> {
        let code = frame["error"]["code"].as_str();
        match (asked, code) {
            (_, Some("unavailable")) => {
                for attempt in self.places.iter().flat_map(|place| &place.unanswered) {
                    self.notes.attempts[*attempt].refused = true;
                }
                return Err(Gone);
            }
            (Asked::Connect | Asked::Govern, None) => {}
            // The target had left, or the chatter is not a member at the moment.
            (Asked::Govern, Some("not_found" | "forbidden")) => {}
            (Asked::Join { place, since }, None) => {
                let here = &mut self.places[place];
                here.joining = false;
                self.notes.stays.extend(here.stay.take());
                let last_seq = frame["ok"]["last_seq"].as_u64().expect("a number");
                let after = since.filter(|_| frame["ok"]["recovered"] == true);
                (here.caught_up, here.removed) = (last_seq, false);
                here.seen = Some(after.unwrap_or(last_seq));
                here.stay = Some(Stay {
                    who: self.account.name.clone(),
                    room: here.room.clone(),
                    after: after.unwrap_or(last_seq),
                    heard: Vec::new(),
                    until: 0,
                });
                for attempt in here.unanswered.clone() {
                    let sent = |asked: &Asked| matches!(asked, Asked::Post { attempt: other, .. } if *other == attempt);
                    if !self.asked.values().any(sent) {
                        self.send_post(client, place, attempt).await?;
                    }
                }
            }
            // Evicted between the join and the subscription.
            (Asked::Join { place, .. }, Some("forbidden")) => {
                self.places[place].joining = false;
                self.notes.stays.extend(self.places[place].stay.take());
            }
            // An evicted member cannot leave.
            (Asked::Leave { place }, None | Some("forbidden" | "not_found")) => self.places[place].leaving = false,
            (Asked::Post { place, attempt }, None) => {
                let seq = frame["ok"]["seq"].as_u64().expect("a number");
                self.around.tally.acknowledged.fetch_add(1, Ordering::Relaxed);
                self.notes.attempts[attempt].acknowledged.push(seq);
                self.places[place].unanswered.retain(|other| *other != attempt);
            }
            // Evicted meanwhile: the post is given up.
            (Asked::Post { place, attempt }, Some("forbidden")) => {
                self.notes.attempts[attempt].refused = true;
                self.places[place].unanswered.retain(|other| *other != attempt);
            }
            _ => self.notes.surprises.push(frame.to_string()),
        }
        Ok(())
    }
}

/// The content of an event.
fn what(event: &Value) -> What {
    let data = &event["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match event["event"].as_str().unwrap_or_default() {
        "message.posted" => {
            What::Posted { by: text(&data["from"]["name"]), key: text(&data["key"]), body: text(&data["body"]) }
        }
        "member.added" => What::Added { whom: text(&data["account"]["name"]) },
        "member.removed" => What::Removed { whom: text(&data["account"]["name"]) },
        other => What::Other(format!("{other} {}", data["topic"])),
    }
}
