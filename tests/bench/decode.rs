//! How many events a second one core decodes, over the files of `example-json/`.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pipetrail::ado::Decoder;

fn examples() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.filter_map(|path| fs::read(path).ok()).collect()
}

fn decode(criterion: &mut Criterion) {
    let raw = examples();
    let base64: Vec<_> = raw.iter().map(|body| STANDARD.encode(body).into_bytes()).collect();
    let decoder = Decoder::default();
    let mut group = criterion.benchmark_group("decode");
    for (name, bodies) in [("raw", raw), ("base64", base64)] {
        group.throughput(Throughput::Elements(u64::try_from(bodies.len()).unwrap_or_default()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| bodies.iter().filter(|body| decoder.decode(black_box(body)).is_ok()).count());
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
