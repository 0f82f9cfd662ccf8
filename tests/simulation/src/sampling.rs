//! Memory and open files of a process over time, and whether they grow.

/// One look at a process.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Minutes since the first look.
    pub minutes: f64,
    /// Resident memory in MiB.
    pub memory_mib: f64,
    /// Open file descriptors.
    pub files: f64,
}

impl Sample {
    /// What `/proc` says of a process now.
    pub fn of(process: u32, minutes: f64) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        Self {
            minutes,
            memory_mib: kib / 1024.0,
            files: f64::from(u32::try_from(files.count()).unwrap()),
        }
    }
}

/// The slope of the line of least squares through the second half of the samples: growth a minute.
pub fn growth(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let half = &samples[samples.len() / 2..];
    let count: f64 = half.iter().map(|_| 1.0).sum();
    let mean_x = half.iter().map(|sample| sample.minutes).sum::<f64>() / count;
    let mean_y = half.iter().map(&value).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in half {
        let x = sample.minutes - mean_x;
        above += x * (value(sample) - mean_y);
        below += x * x;
    }
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_second_half() {
        let at = |minute: u32| {
            let minutes = f64::from(minute);
            let memory_mib = if minute < 10 {
                10.0 * minutes
            } else {
                100.0 + 0.5 * (minutes - 10.0)
            };
            Sample {
                minutes,
                memory_mib,
                files: 7.0,
            }
        };
        let samples: Vec<_> = (0..20).map(at).collect();
        assert!((growth(&samples, |sample| sample.memory_mib) - 0.5).abs() < 1e-9);
        assert!(growth(&samples, |sample| sample.files).abs() < 1e-9);
    }

    #[test]
    fn sees_a_process() {
        let sample = Sample::of(std::process::id(), 1.0);
        assert!(sample.memory_mib > 1.0 && sample.files >= 3.0, "{sample:?}");
    }
}
