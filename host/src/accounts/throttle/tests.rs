use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;

fn throttle(per_minute: u32) -> Throttle<&'static str> {
    Throttle::new(Quota::per_minute(per_minute, per_minute), None, Counter::noop())
}

fn origin(text: &str) -> Origin {
    Origin::from(text.parse::<IpAddr>().unwrap())
}

#[test]
fn an_ipv6_site_is_one_origin_and_a_mapped_address_equals_its_ipv4() {
    assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
    assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
    assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
    assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
}

#[test]
fn exempt_addresses_are_found_by_network_and_by_ipv6_site() {
    let networks: Vec<IpNet> = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8:1:2::5/128", "2001:db8:7::/48"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    for (address, exempt) in [
        ("10.9.8.7", true),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("::ffff:10.0.0.1", true),
        ("2001:db8:1:2::9", true),
        ("2001:db8:1:3::5", false),
        ("2001:db8:7:1::1", true),
    ] {
        assert_eq!(origin(address).is_in(&networks), exempt, "{address}");
    }
}

#[tokio::test]
async fn tries_beyond_the_burst_are_refused_with_a_time_to_wait() {
    let attempts = throttle(2);
    assert_eq!((attempts.take(&"ann").await, attempts.take(&"ann").await), (Ok(()), Ok(())));
    assert!(
        matches!(attempts.take(&"ann").await, Err(Error::RateLimited { retry_after }) if retry_after > Duration::ZERO)
    );
    assert_eq!(attempts.take(&"bob").await, Ok(()));
}

#[tokio::test]
async fn right_guesses_use_up_no_permits() {
    let guesses = throttle(2);
    for _ in 0..100 {
        guesses.permit(&"ann").await.unwrap().give_back().await;
    }
    for _ in 0..2 {
        drop(guesses.permit(&"ann").await.unwrap());
    }
    assert!(guesses.permit(&"ann").await.is_err());
    assert!(guesses.permit(&"bob").await.is_ok());
}

#[tokio::test]
async fn concurrent_wrong_guesses_are_evaluated_no_more_often_than_the_limit() {
    let (guesses, evaluated) = (throttle(10), AtomicUsize::new(0));
    join_all((0..180).map(|_| async {
        let Ok(permit) = guesses.permit(&"ann").await else { return };
        evaluated.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        drop(permit);
    }))
    .await;
    assert_eq!(evaluated.into_inner(), 10);
}

#[tokio::test]
async fn concurrent_right_guesses_wait_for_each_other_and_all_succeed() {
    let guesses = throttle(3);
    let done = join_all((0..60).map(|_| async {
        let permit = guesses.permit(&"office").await?;
        tokio::task::yield_now().await;
        permit.give_back().await;
        Ok::<_, Error>(())
    }))
    .await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
}

#[tokio::test]
async fn an_abandoned_guess_counts_as_wrong() {
    let guesses = throttle(1);
    let permit = guesses.permit(&"ann").await.unwrap();
    let waiting = timeout(Duration::from_millis(1), guesses.permit(&"ann"));
    assert!(waiting.await.is_err(), "waits for the outcome");
    drop(permit);
    assert!(guesses.permit(&"ann").await.is_err());
}

#[test]
fn unknown_names_share_a_bounded_number_of_buckets() {
    let subjects: std::collections::HashSet<_> = (0..50_000).map(|n| Subject::unknown(&n.to_string())).collect();
    assert!(subjects.len() <= UNKNOWN_NAME_BUCKETS as usize);
}
