//! The guard, for who measures it.

use super::guard::Guard;
use crate::limits::Limits;

/// Lets a delivery of `body` through again and again. Returns what does it, and that returns how many bytes have passed.
pub(crate) fn guard(body: &[u8]) -> impl FnMut() -> usize + use<> {
    let delivery = delivery(body);
    let (mut guard, mut out) = (Guard::new(Limits::MESSAGE), Vec::with_capacity(delivery.len()));
    move || {
        out.clear();
        assert_eq!(guard.feed(&delivery, &mut out), 0, "nothing is wrong with it");
        out.len()
    }
}

/// Returns the frames by which a broker delivers `body`.
fn delivery(body: &[u8]) -> Vec<u8> {
    const TAG: &[u8] = b"\x06ctag-1";
    const NUMBER_AND_FLAG: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 7, 0];
    const NAMES: &[u8] = b"\x09openstack\x10cinder-scheduler";
    // Content type and encoding, headers of which there are none, delivery mode and priority.
    const PROPERTIES: &[u8] = b"\xf8\x00\x10application/json\x05utf-8\x00\x00\x00\x00\x02\x00";
    let method = [&[0, 60, 0, 60], TAG, &NUMBER_AND_FLAG, NAMES].concat();
    let header = [&[0, 60, 0, 0], &(body.len() as u64).to_be_bytes()[..], PROPERTIES].concat();
    [frame(1, &method), frame(2, &header), frame(3, body)].concat()
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame");
    [&[kind, 0, 1], &size.to_be_bytes()[..], payload, &[0xce]].concat()
}
