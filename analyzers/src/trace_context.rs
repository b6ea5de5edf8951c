//! The trace that a request says it belongs to, as tracing systems pass it on in fields.
//!
//! Each system has a field of its own, and many programs send several; an id is the same in all of them but for its length: some
//! write 128 bits, some the lower 64. So the lower 64 bits are what is compared.

use reassembly::Request;

use crate::id::Seed;

/// Digits of an id that are compared.
const DIGITS: usize = 16;

/// The trace of a request, hashed: W3C Trace Context (`traceparent`, section 3.2), B3 (`b3`, `X-B3-TraceId`), AWS X-Ray
/// (`X-Amzn-Trace-Id`), Jaeger (`uber-trace-id`), Google Cloud (`X-Cloud-Trace-Context`), Datadog (`x-datadog-trace-id`,
/// decimal) and Sentry (`sentry-trace`).
pub(crate) fn of_request(request: &Request, seed: Seed) -> Option<u64> {
    let field = |name: &str| request.message.field(name);
    field("traceparent")
        .and_then(|value| of_traceparent(value, seed))
        .or_else(|| hex(field("x-b3-traceid")?, seed))
        .or_else(|| hex(field("b3")?.split('-').next()?, seed))
        .or_else(|| hex(field("uber-trace-id")?.split(':').next()?, seed))
        .or_else(|| hex(field("sentry-trace")?.split('-').next()?, seed))
        .or_else(|| hex(field("x-cloud-trace-context")?.split('/').next()?, seed))
        .or_else(|| {
            let parts = field("x-amzn-trace-id")?.split(';');
            let root = parts
                .filter_map(|part| part.trim().strip_prefix("Root="))
                .next()?;
            hex(&root.split_once('-')?.1.replace('-', ""), seed)
        })
        .or_else(|| {
            let number: u64 = field("x-datadog-trace-id")?.trim().parse().ok()?;
            hex(&format!("{number:016x}"), seed)
        })
}

/// The trace of a `traceparent`, which may also stand in a message (MCP, `_meta`).
pub(crate) fn of_traceparent(value: &str, seed: Seed) -> Option<u64> {
    let id = value.trim().split('-').nth(1)?;
    hex(id, seed).filter(|_| id.len() == 32)
}

/// The hash of an id in hexadecimal digits.
fn hex(id: &str, seed: Seed) -> Option<u64> {
    let id = id.trim();
    let is_id = (8..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
    let low = id.get(id.len().saturating_sub(DIGITS)..).filter(|_| is_id)?;
    if low.bytes().all(|b| b == b'0') {
        return None;
    }
    let low = format!("{:0>DIGITS$}", low.to_ascii_lowercase());
    Some(seed.hash(low.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Call;

    #[test]
    fn one_trace_is_the_same_in_the_fields_of_every_system() {
        let seed = Seed::new(&[7; 32]);
        let of = |field: &str| {
            let exchange = Call::get("/x").field(field).exchange(1_000, 1);
            of_request(exchange.request.as_ref().unwrap(), seed)
        };
        let want = of("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert!(want.is_some());
        for same in [
            "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "b3: A3CE929D0E0E4736-00f067aa0ba902b7",
            "X-B3-TraceId: a3ce929d0e0e4736",
            "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1",
            "sentry-trace: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "X-Cloud-Trace-Context: 4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1",
            "X-Amzn-Trace-Id: Self=1-67891234-12456789abcdef012345678;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=1",
            "x-datadog-trace-id: 11803532876627986230",
        ] {
            assert_eq!(of(same), want, "{same}");
        }
        for none in [
            "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "traceparent: 00-4bf92f3577b34da6-00f067aa0ba902b7-01",
            "traceparent: banana",
            "b3: 0",
            "uber-trace-id: :::",
            "x-datadog-trace-id: -7",
            "X-Amzn-Trace-Id: Root=",
            "X-Request-Id: 4bf92f3577b34da6a3ce929d0e0e4736",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
