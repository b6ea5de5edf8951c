//! Packets to exchanges: throughput in captured bytes and in exchanges, over kind and unkind networks.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn reassemble(c: &mut Criterion) {
    let inputs = [
        ("in order", benches::in_order()),
        ("every other late", benches::every_other_late()),
        ("1 % lost", benches::one_percent_lost()),
    ];
    for (unit, throughput) in [
        (
            "bytes",
            (|i| Throughput::Bytes(i.bytes)) as fn(&benches::Input) -> Throughput,
        ),
        ("exchanges", |i| Throughput::Elements(i.exchanges)),
    ] {
        let mut group = c.benchmark_group(format!("reassembly, {unit}"));
        for (name, input) in &inputs {
            group.throughput(throughput(input));
            group.bench_function(*name, |b| b.iter(|| black_box(input).feed()));
        }
        group.finish();
    }
}

criterion_group!(benches, reassemble);
criterion_main!(benches);
