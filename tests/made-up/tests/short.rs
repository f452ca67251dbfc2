//! Each reader for a moment, in every run of the tests: the inputs that are kept, and changes of
//! them. `make fuzz` looks longer, and where coverage leads.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

const MOMENT: Duration = Duration::from_secs(4);
const MAX_BYTES: usize = 1 << 16;
const MAX_CHANGES: usize = 8;
/// Numbers at which something begins or ends.
const EDGES: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

fn kept(name: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let folder = folder.join(name);
    let mut inputs = vec![Vec::new()];
    if folder.exists() {
        for entry in fs::read_dir(folder)? {
            inputs.push(fs::read(entry?.path())?);
        }
    }
    Ok(inputs)
}

/// A stretch of `length` bytes or fewer within `input`.
fn stretch(random: &mut SmallRng, input: &[u8]) -> std::ops::Range<usize> {
    let from = random.random_range(0..=input.len());
    let longest = (input.len() - from).min(64);
    from..from + random.random_range(0..=longest)
}

fn change(random: &mut SmallRng, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
    let at = random.random_range(0..=input.len());
    match random.random_range(0..7) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        1 => {
            let edge = EDGES[random.random_range(0..EDGES.len())].to_be_bytes();
            let width = [1, 2, 4, 8][random.random_range(0..4)];
            if let Some(place) = input.get_mut(at..at + width) {
                place.copy_from_slice(&edge[8 - width..]);
            }
        }
        2 => {
            let more: [u8; 32] = random.random();
            let length = random.random_range(1..=more.len());
            input.splice(at..at, more[..length].iter().copied());
        }
        3 => drop(input.drain(stretch(random, input))),
        4 => {
            let copy = input[stretch(random, input)].to_vec();
            input.splice(at..at, copy);
        }
        5 => input.truncate(at),
        _ => {
            let other = &kept[random.random_range(0..kept.len())];
            let copy = other[stretch(random, other)].to_vec();
            let end = (at + copy.len()).min(input.len());
            input.splice(at..end, copy);
        }
    }
    input.truncate(MAX_BYTES);
}

fn play(name: &str, run: fn(&[u8])) -> anyhow::Result<()> {
    let kept = kept(name)?;
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut random = SmallRng::seed_from_u64(began.as_nanos() as u64);
    let end = Instant::now() + MOMENT;
    let mut runs = 0;
    while Instant::now() < end {
        let mut input = kept[runs % kept.len()].clone();
        // First the inputs themselves.
        if runs >= kept.len() {
            for _ in 0..random.random_range(1..=MAX_CHANGES) {
                change(&mut random, &mut input, &kept);
            }
        }
        runs += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            let file = env::temp_dir().join(format!("made-up-{name}"));
            fs::write(&file, &input)?;
            println!("the input: {}", file.display());
            resume_unwind(panic);
        }
    }
    println!("{name}: {runs} runs");
    Ok(())
}

macro_rules! short {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() -> anyhow::Result<()> {
            play(stringify!($name), made_up::$name::run)
        }
    )*};
}

short!(backup config hrana index ltx plan restore s3 wal);
