//! How fast the sensor can be sent to until frames are lost, and what it says of those that are.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use super::net::{Net, end, finish, number};

/// Seconds at each rate.
const SECONDS: &str = "8";

const RATES: [&str; 9] = ["50", "100", "150", "200", "300", "400", "600", "1000", "2000"];

/// Waits until a sensor listens.
pub(super) fn listening(sensor: &mut Child) -> Result<BufReader<std::process::ChildStderr>, String> {
    let mut said = BufReader::new(sensor.stderr.take().ok_or("no standard error")?);
    let mut all = String::new();
    while !all.contains("listening on") {
        if said.read_line(&mut all).map_err(|error| error.to_string())? == 0 {
            return Err(format!("the sensor ended: {all}"));
        }
    }
    Ok(said)
}

/// Ends a sensor in order; gives the line in which it sums up.
pub(super) fn last_words(sensor: Child, words: &mut impl BufRead) -> Result<String, String> {
    end(sensor, "-TERM")?;
    let mut said = String::new();
    words
        .read_to_string(&mut said)
        .map_err(|error| error.to_string())?;
    let last = said.lines().rfind(|line| line.contains("packets →"));
    Ok(last.unwrap_or("").to_owned())
}

/// The number before some words in the sensor's last line.
pub(super) fn counted(line: &str, words: &str) -> u64 {
    let Some(at) = line.find(words) else { return 0 };
    let before = line[..at].trim_end();
    let number = before.rsplit(|c: char| !(c.is_ascii_digit() || c == ',')).next();
    number.unwrap_or("").replace(',', "").parse().unwrap_or(0)
}

/// Sends a capture at rising rates and prints a row for each.
///
/// # Errors
///
/// What cannot be set up; frames that are neither seen nor counted as lost; a frame that the sensor sent.
pub fn rates(tapline: &str, capture: &str, rates: &[&str]) -> Result<(), String> {
    println!(
        "{:>9} {:>9} {:>11} {:>11} {:>10} {:>10} {:>9} {:>7}",
        "Mbit/s", "reached", "sent", "seen", "kernel", "interface", "unknown", "sends"
    );
    let mut highest = None;
    for rate in if rates.is_empty() { &RATES[..] } else { rates } {
        let net = Net::new()?;
        let listener = net.part(&net.sender, &["listen", "out"])?;
        let mut sensor = net.start(
            &net.sensor,
            tapline,
            &["capture", "-i", "span", "--findings", "/dev/null"],
        )?;
        let mut words = listening(&mut sensor)?;
        let (printed, _) = finish(net.part(&net.sender, &["send", "out", capture, rate, SECONDS])?)?;
        // What lies in the kernel's buffer is read before the counters are.
        std::thread::sleep(Duration::from_secs(4));
        let transmitted = net.counter("tx_packets")?;
        let last = last_words(sensor, &mut words)?;
        let (heard, _) = end(listener, "-TERM")?;
        let sends = transmitted + number(&heard, "heard")?;
        let (sent, bytes, micros) = (
            number(&printed, "frames")?,
            number(&printed, "bytes")?,
            number(&printed, "micros")?,
        );
        let (seen, kernel, interface) = (
            counted(&last, "packets →"),
            counted(&last, "dropped by the kernel"),
            counted(&last, "dropped by the interface"),
        );
        let unknown = i128::from(sent) - i128::from(seen) - i128::from(kernel) - i128::from(interface);
        let reached = bytes as f64 * 8.0 / micros as f64;
        println!(
            "{rate:>9} {reached:>9.0} {sent:>11} {seen:>11} {kernel:>10} {interface:>10} {unknown:>9} {sends:>7}"
        );
        if unknown != 0 || sends != 0 {
            return Err(format!(
                "frames that nobody counts, or that the sensor sent: {last}"
            ));
        }
        if kernel + interface == 0 {
            highest = Some(reached);
        }
    }
    match highest {
        Some(rate) => println!("highest rate without loss: {rate:.0} Mbit/s, the whole analysis included"),
        None => println!("frames were lost at every rate"),
    }
    Ok(())
}
