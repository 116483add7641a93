//! A slow or missing receiver costs events, never requests.

use gabion_core::{Event, Sink};
use gabion_sinks::Channel;

#[test]
fn events_arrive_until_the_channel_is_full_and_the_rest_is_counted() {
    let (channel, events) = Channel::new(2);
    for fix in ["a", "b", "c"] {
        channel.record(&Event::Setup(fix));
    }
    let read: Vec<_> = events.try_iter().map(|event| event.to_string()).collect();
    assert_eq!(read, ["a", "b"]);
    assert_eq!(channel.dropped(), 1);
    drop(events);
    channel.record(&Event::Setup("d"));
    assert_eq!(channel.dropped(), 2, "the receiver is gone");
}
