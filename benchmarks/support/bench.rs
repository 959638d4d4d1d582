//! What the Rayon programs share: they take the options and write the JSON of Google Benchmark, as far as benchmarks/report needs it.

use std::fs;
use std::io::Write;
use std::process::exit;
use std::time::{Duration, Instant};

/// A wrong answer ends the process: a time without a right answer means nothing.
pub fn expect<T: PartialEq + std::fmt::Debug>(got: T, expected: T) {
    if got != expected {
        eprintln!("wrong answer {got:?}, expected {expected:?}");
        exit(1);
    }
}

/// Options of Google Benchmark. Others that begin with --benchmark_ are taken and ignored.
struct Options {
    filter: String,
    repetitions: u32,
    min_time: f64,
    out: Option<String>,
    list: bool,
}

impl Options {
    fn from_command_line() -> Options {
        let mut options = Options { filter: ".".into(), repetitions: 1, min_time: 0.5, out: None, list: false };
        for argument in std::env::args().skip(1) {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, "true"));
            match name {
                "--benchmark_filter" => options.filter = value.into(),
                "--benchmark_repetitions" => options.repetitions = number(name, value),
                "--benchmark_min_time" => options.min_time = number(name, value.trim_end_matches('s')),
                "--benchmark_out" => options.out = Some(value.into()),
                "--benchmark_list_tests" => options.list = value == "true",
                _ if name.starts_with("--benchmark_") => {}
                _ => fail(&format!("unknown option {argument}")),
            }
        }
        options
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> T {
    value.parse().unwrap_or_else(|_| fail(&format!("{name} takes a number, not {value}")))
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}

struct Case {
    name: String,
    workers: usize,
    items: i64,
    body: fn(),
}

/// Benchmarks to be run in the order in which they were added.
#[derive(Default)]
pub struct Suite {
    cases: Vec<Case>,
}

impl Suite {
    /// `body` does `items` items, in a pool of 1, 2, 4, … threads and of as many as there are cores.
    pub fn add(&mut self, name: &str, items: i64, body: fn()) {
        let most = std::thread::available_parallelism().map_or(2, |n| n.get()).max(2);
        let powers = std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n < most);
        for workers in powers.chain([most]) {
            self.cases.push(Case { name: format!("{name}/workers:{workers}"), workers, items, body });
        }
    }

    /// Does what the command line asks for.
    pub fn run(self) {
        let options = Options::from_command_line();
        let wanted: Vec<&Case> = self.cases.iter().filter(|c| matches(&options.filter, &c.name)).collect();
        if options.list {
            return wanted.iter().for_each(|c| println!("{}", c.name));
        }
        let iterations: Vec<u64> = wanted.iter().map(|c| iterations_for(c, options.min_time)).collect();
        let mut lines = Vec::new();
        // Repetition by repetition, so that what disturbs the machine disturbs all alike.
        for repetition in 0..options.repetitions {
            for (case, &iterations) in wanted.iter().zip(&iterations) {
                let (wall, cpu) = measure(case, iterations);
                let each = |time: Duration| time.as_nanos() as f64 / iterations as f64;
                println!("{:60} {:15.0} ns {:15.0} ns {:10}", case.name, each(wall), each(cpu), iterations);
                lines.push(format!(
                    "{{\"name\": \"{0}\", \"run_name\": \"{0}\", \"run_type\": \"iteration\", \"repetitions\": {1}, \
                     \"repetition_index\": {repetition}, \"threads\": 1, \"iterations\": {iterations}, \"real_time\": {2}, \
                     \"cpu_time\": {3}, \"time_unit\": \"ns\", \"items_per_second\": {4}}}",
                    case.name,
                    options.repetitions,
                    each(wall),
                    each(cpu),
                    case.items as f64 * 1e9 / each(wall),
                ));
            }
        }
        if let (Some(file), false) = (options.out, lines.is_empty()) {
            let json = format!("{{\"context\": {{}}, \"benchmarks\": [\n{}\n]}}\n", lines.join(",\n"));
            fs::write(&file, json).unwrap_or_else(|e| fail(&format!("{file}: {e}")));
        }
        write_peak_memory();
    }
}

/// Wall and CPU time of so many runs, from inside the pool: making and entering it is not part of the time.
fn measure(case: &Case, iterations: u64) -> (Duration, Duration) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(case.workers).build().unwrap_or_else(|e| fail(&e.to_string()));
    pool.install(|| {
        let (wall, cpu) = (Instant::now(), cpu_time());
        for _ in 0..iterations {
            (case.body)();
        }
        (wall.elapsed(), cpu_time() - cpu)
    })
}

fn iterations_for(case: &Case, min_time: f64) -> u64 {
    let mut iterations = 1;
    loop {
        let seconds = measure(case, iterations).0.as_secs_f64();
        if seconds >= min_time || iterations >= 1_000_000_000 {
            return iterations;
        }
        let factor = (1.4 * min_time / seconds.max(1e-9)).clamp(1.1, 10.0);
        iterations = (iterations as f64 * factor).ceil() as u64;
    }
}

/// User and system time of the process.
fn cpu_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is a timespec that may be written.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// See peak_memory.cpp.
fn write_peak_memory() {
    let Ok(file) = std::env::var("BENCH_PEAK_MEMORY") else { return };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()).unwrap_or("0");
    let written = fs::File::create(&file).and_then(|mut f| writeln!(f, "{peak}"));
    written.unwrap_or_else(|e| fail(&format!("{file}: {e}")));
}

/// Whether the regular expression is found in the text: alternatives (|) of literals, ., *, ^, $ and escapes; no groups, no classes.
fn matches(pattern: &str, text: &str) -> bool {
    if let Some(c) = pattern.replace("\\\\", "").chars().scan(' ', |before, c| Some((std::mem::replace(before, c), c))).find_map(
        |(before, c)| ("()[]{}+?".contains(c) && before != '\\').then_some(c),
    ) {
        fail(&format!("this program's filters know | . * ^ $ and escapes, but not {c}"));
    }
    let text: Vec<char> = text.chars().collect();
    pattern.split('|').any(|alternative| {
        let p: Vec<char> = alternative.chars().collect();
        match p.strip_prefix(&['^']) {
            Some(rest) => matches_here(rest, &text),
            None => (0..=text.len()).any(|start| matches_here(&p, &text[start..])),
        }
    })
}

fn matches_here(p: &[char], text: &[char]) -> bool {
    let (length, literal) = match p {
        [] => return true,
        ['$'] => return text.is_empty(),
        ['\\', c, ..] => (2, Some(*c)),
        ['.', ..] => (1, None),
        [c, ..] => (1, Some(*c)),
    };
    let fits = |t: &[char]| t.first().map_or(false, |c| literal.map_or(true, |l| l == *c));
    if p.get(length) == Some(&'*') {
        let most = (0..text.len()).take_while(|&i| fits(&text[i..])).count();
        return (0..=most).any(|n| matches_here(&p[length + 1..], &text[n..]));
    }
    fits(text) && matches_here(&p[length..], &text[1..])
}
