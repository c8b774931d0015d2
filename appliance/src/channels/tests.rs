//! Both ends of lent and relayed connections, over pipes in memory.

use std::time::Duration;

use datis_engine::wire::reach::{ChannelClosed, LENT_TAKEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; MemberId::LEN])
}

/// Member 1 lends one more, after which `many` wait; its end.
async fn lend_one(channels: &Arc<Channels>, many: usize) -> DuplexStream {
    let (near, far) = duplex(16);
    let keeping = Arc::clone(channels);
    tokio::spawn(async move { keep(&keeping, member(1), near).await });
    while channels.lent_by(member(1)) < many {
        tokio::task::yield_now().await;
    }
    far
}

/// The same, as many as may wait.
async fn lend_all(channels: &Arc<Channels>) -> Vec<DuplexStream> {
    let mut lenders = Vec::new();
    for many in 1..=LENT_PER_MEMBER_MAX {
        lenders.push(lend_one(channels, many).await);
    }
    lenders
}

const LIMITS: RelayLimits = RelayLimits { bits_per_second: 8_000_000, bytes_per_day: 1_000_000 };

/// Something at the machine port that gives back what it gets.
async fn echo() -> Arc<Channels> {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let channels = Channels::new(port.local_addr().expect("address"), LIMITS);
    let known = Arc::clone(&channels);
    tokio::spawn(async move {
        while let Ok((mut stream, from)) = port.accept().await {
            let is_known = known.opened_by(from) == Some(member(2));
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                writer.write_all(&[u8::from(is_known)]).await.expect("write");
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    channels
}

#[tokio::test]
async fn a_lent_connection_leads_to_the_lender_s_port_once_it_is_taken() {
    let (lender, borrower) = (echo().await, Channels::new(([127, 0, 0, 1], 1).into(), LIMITS));
    let (near, far) = duplex(1 << 10);
    let (tell, told) = oneshot::channel();
    let lending = {
        let lender = Arc::clone(&lender);
        tokio::spawn(async move { lend(&lender, member(2), far, || tell.send(()).expect("it listens")).await })
    };
    let keeping = {
        let borrower = Arc::clone(&borrower);
        tokio::spawn(async move { keep(&borrower, member(1), near).await })
    };
    while borrower.lent_by(member(1)) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(borrower.take(member(2)).is_none(), "a member's connection leads to nobody else");
    let mut taken = borrower.take(member(1)).expect("it is there");
    assert!(borrower.take(member(1)).is_none(), "and is taken once");
    taken.write_all(b"hello").await.expect("write");
    let mut heard = [0; 6];
    taken.read_exact(&mut heard).await.expect("read");
    assert_eq!(&heard, b"\x01hello", "the lender's port knows that its address says nothing");
    told.await.expect("the lender knows that it can lend another one");
    taken.shutdown().await.expect("end");
    assert_eq!(taken.read(&mut heard).await.expect("the end comes back"), 0);
    assert!(lending.await.expect("no panic").is_ok() && keeping.await.expect("no panic"));
    assert!(lender.inner().is_empty());
}

#[tokio::test]
async fn two_others_get_few_of_a_member_s_connections_and_never_the_last_one() {
    let channels = Channels::new(([127, 0, 0, 1], 1).into(), LIMITS);
    let mut lenders = lend_all(&channels).await;
    let relay = |from: u8| channels.relay(member(from), member(1)).expect("a place");
    let took = |pair: &mut Pair| channels.take_for_others(member(1), pair).is_some();
    let (mut first, mut second, mut third, mut fourth) = (relay(2), relay(2), relay(2), relay(2));
    assert!(took(&mut first) && took(&mut second) && took(&mut third));
    lenders.push(lend_one(&channels, 2).await);
    assert!(!took(&mut fourth), "three for each pair");
    drop(first);
    assert!(took(&mut fourth), "what is over counts no more");
    let mut other = relay(3);
    assert_eq!(channels.lent_by(member(1)), 1);
    assert!(!took(&mut other), "the last one is this box's own");
    assert!(channels.take(member(1)).is_some());
}

#[tokio::test]
async fn what_waits_is_bounded_and_goes_when_it_is_not_needed() {
    let channels = Channels::new(([127, 0, 0, 1], 1).into(), LIMITS);
    let mut lenders = lend_all(&channels).await;
    let (near, _far) = duplex(16);
    assert!(!keep(&channels, member(1), near).await, "one too many");
    // One that breaks does not count any more.
    drop(lenders.pop());
    while channels.lent_by(member(1)) == LENT_PER_MEMBER_MAX {
        tokio::task::yield_now().await;
    }
    channels.give_back(member(1));
    assert_eq!(lenders[0].read(&mut [0]).await.expect("read"), 0, "the lender sees that it is over");
    assert!(channels.take(member(1)).is_none());
}

#[tokio::test]
async fn a_lender_that_says_what_it_should_not_is_dropped() {
    let channels = Channels::new(([127, 0, 0, 1], 1).into(), LIMITS);
    for noise in [7, LENT_TAKEN] {
        let (near, mut far) = duplex(16);
        far.write_all(&[noise]).await.expect("write");
        assert!(keep(&channels, member(1), near).await);
        assert_eq!(channels.lent_by(member(1)), 0);
    }
}

#[tokio::test]
async fn two_members_have_so_many_bytes_a_second_and_a_day() {
    let channels = Channels::new(([127, 0, 0, 1], 1).into(), LIMITS);
    let pair = channels.relay(member(1), member(2)).expect("a place");
    let began = tokio::time::Instant::now();
    for _ in 0..8 {
        pair.spend(50_000).await.expect("within the day");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(390), "400 kB at 8 Mbit/s: {took:?}");
    // Both directions, and all connections of the two, count together.
    let back = channels.relay(member(2), member(1)).expect("a place");
    back.spend(500_000).await.expect("within the day");
    assert!(pair.spend(200_000).await.is_err(), "1 MB a day");
    assert!(channels.relay(member(1), member(3)).is_ok(), "others have their own");
    pair.spend(100_000).await.expect("to the last byte");
    assert_eq!(channels.relay(member(1), member(2)).err(), Some(ChannelClosed::UsedUp));
    let told = channels.relayed();
    let told = told.iter().find(|relayed| relayed.between == (member(1), member(2))).expect("it is told");
    assert_eq!((told.bytes, told.of, told.open), (1_000_000, 1_000_000, 2));
}

#[tokio::test]
async fn places_for_relaying_are_bounded_and_come_back() {
    let channels = Channels::new(([127, 0, 0, 1], 1).into(), LIMITS);
    let held: Vec<_> = std::iter::from_fn(|| channels.relay(member(1), member(2)).ok()).take(100).collect();
    assert_eq!(held.len(), 8);
    assert_eq!(channels.relay(member(2), member(1)).err(), Some(ChannelClosed::Busy));
    assert!(channels.relay(member(1), member(3)).is_ok());
    drop(held);
    assert!(channels.relay(member(1), member(2)).is_ok());
    let nobody = RelayLimits { bits_per_second: 0, bytes_per_day: 1 };
    let none = Channels::new(([127, 0, 0, 1], 1).into(), nobody);
    assert_eq!(none.relay(member(1), member(2)).err(), Some(ChannelClosed::UsedUp));
}

#[test]
fn the_own_port_is_dialled_where_it_listens() {
    for (listens, expected) in [
        ("0.0.0.0:5", "127.0.0.1:5"),
        ("[::]:5", "127.0.0.1:5"),
        ("10.1.2.3:5", "10.1.2.3:5"),
        ("[fd00::1]:5", "[fd00::1]:5"),
    ] {
        assert_eq!(dialled(listens.parse().expect("address")), expected.parse().expect("address"));
    }
}
