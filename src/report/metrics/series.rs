//! The series of one target as text. They change only with a check of the target, but are scraped more often and together
//! with those of thousands of other targets, so `/metrics` only has to put the texts together.

use std::{mem, sync::Arc};

use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, encoding::text, registry::Registry,
};

use super::{
    Families, Samples,
    table::{self, MetricDef},
};

/// The format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    /// The older text format of Prometheus.
    Plain,
}

/// The series of one target, in the order of the metrics.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// The value of the label `target`, as it is written.
    target: Arc<str>,
    /// What follows it, of all lines.
    text: Box<str>,
    lines: Box<[Line]>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// Index in the list of metrics.
    metric: u16,
    /// Where the text of the line ends. It begins at the end of the one before.
    end: u32,
}

/// Between the name of a metric and the name of a target.
const TARGET: &str = "{target=\"";

impl Series {
    /// # Panics
    /// Never: there are fewer metrics and characters.
    pub(crate) fn of(metrics: &'static [&'static MetricDef], samples: Samples) -> Self {
        let has =
            |metric: &MetricDef| samples.samples.iter().any(|sample| std::ptr::eq(sample.metric, metric));
        let mut present = (0..)
            .zip(metrics)
            .filter(|(_, metric)| has(metric))
            .map(|(i, _)| i)
            .collect::<Vec<u16>>()
            .into_iter();
        let encoded = encoded(Families { metrics, targets: vec![samples] });
        let (mut target, mut text, mut lines) = ("", String::new(), Vec::new());
        let mut metric = None;
        for line in encoded.split_inclusive('\n') {
            if line.starts_with("# HELP ") {
                metric = present.next();
            } else if !line.starts_with('#')
                && let (Some(metric), Some((_, rest))) = (metric, line.split_once(TARGET))
            {
                let rest_of_line;
                (target, rest_of_line) = rest.split_at(quoted_length(rest));
                text.push_str(rest_of_line);
                lines.push(Line { metric, end: u32::try_from(text.len()).expect("short") });
            }
        }
        Self { target: target.into(), text: text.into(), lines: lines.into() }
    }

    /// Shares the name of the target with its other series.
    pub(crate) fn share(&mut self, other: &Self) {
        if self.target == other.target {
            self.target = Arc::clone(&other.target);
        }
    }

    /// What follows the name of the target in each line, with the index of its metric.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut start = 0;
        self.lines.iter().map(move |line| {
            let text = &self.text[start..line.end as usize];
            start = line.end as usize;
            (usize::from(line.metric), text)
        })
    }
}

/// The length of a label value, up to the quotation mark that ends it.
fn quoted_length(text: &str) -> usize {
    let mut is_escaped = false;
    let ends = |byte: &u8| match byte {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        b'\\' => {
            is_escaped = true;
            false
        }
        other => *other == b'"',
    };
    let mut bytes = text.as_bytes().iter();
    bytes.position(ends).unwrap_or(text.len())
}

/// More than the metrics of the process take, which come after those of the targets.
const PROCESS: usize = 64 * 1024;

/// Writes the metrics, each with the series of all targets.
///
/// Each series is read once, from its start to its end: thousands of them are more than the caches of a processor hold.
pub(crate) fn write(out: &mut Vec<u8>, metrics: &[&'static MetricDef], all: &[Arc<Series>], format: Format) {
    let names: Vec<String> = metrics.iter().map(|metric| metric.name() + TARGET).collect();
    let mut lengths = vec![0; metrics.len()];
    for series in all {
        for (metric, text) in series.lines() {
            lengths[metric] += names[metric].len() + series.target.len() + text.len();
        }
    }
    let head = |(metric, length): (&&'static MetricDef, &usize)| match length {
        0 => String::new(),
        _ => header(metric, format),
    };
    let heads: Vec<String> = metrics.iter().zip(&lengths).map(head).collect();
    let start = out.len();
    let end = start + lengths.iter().sum::<usize>() + heads.iter().map(String::len).sum::<usize>();
    // Growing later would copy megabytes.
    out.reserve_exact(end - start + PROCESS);
    out.resize(end, 0);
    // What is still to be written of each metric.
    let (mut places, mut rest) = (Vec::with_capacity(metrics.len()), &mut out[start..]);
    for (head, length) in heads.iter().zip(lengths) {
        rest = put(rest, head);
        places.push(rest.split_off_mut(..length).unwrap_or_default());
    }
    for series in all {
        for (metric, text) in series.lines() {
            for part in [&names[metric], &*series.target, text] {
                places[metric] = put(mem::take(&mut places[metric]), part);
            }
        }
    }
}

/// Writes a text at the start of a place, and returns the rest of it.
fn put<'a>(place: &'a mut [u8], text: &str) -> &'a mut [u8] {
    let (start, rest) = place.split_at_mut(text.len());
    start.copy_from_slice(text.as_bytes());
    rest
}

/// Everything that the registry has, in this format.
pub(crate) fn write_registry(out: &mut Vec<u8>, registry: &Registry, format: Format) {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode_registry(&mut text, registry);
    match format {
        Format::OpenMetrics => out.extend_from_slice(text.as_bytes()),
        Format::Plain => out.extend_from_slice(table::plain(&text).as_bytes()),
    }
}

/// The end of an exposition.
pub(crate) fn write_end(out: &mut Vec<u8>, format: Format) {
    if format == Format::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}

/// Help, type and unit.
fn header(metric: &'static MetricDef, format: Format) -> String {
    #[derive(Debug)]
    struct Header(&'static MetricDef);

    impl Collector for Header {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
            self.0.encode(&mut encoder).map(drop)
        }
    }

    let text = encoded(Header(metric));
    match format {
        Format::OpenMetrics => text,
        Format::Plain => table::plain(&text),
    }
}

fn encoded(collector: impl Collector) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode_registry(&mut out, &registry);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::Basis,
        report::{
            metrics::{exposition, samples},
            tests::{report, unreached},
        },
    };

    /// The texts of single targets, put together, are what the library writes for all of them.
    #[test]
    fn the_parts_are_the_whole() {
        let reports = [report(false, Basis::Guide), unreached("b"), report(true, Basis::Server)];
        let mut series = reports.each_ref().map(|report| Series::of(&table::OF_CHECK, samples(report)));
        let first = series.each_ref().map(|series| Arc::clone(&series.target));
        series[2].share(&Series { target: Arc::clone(&first[0]), ..Series::default() });
        series[1].share(&Series { target: Arc::clone(&first[0]), ..Series::default() });
        assert!(Arc::ptr_eq(&series[2].target, &first[0]) && Arc::ptr_eq(&series[1].target, &first[1]));
        let series = series.map(Arc::new);
        for format in [Format::OpenMetrics, Format::Plain] {
            let mut out = Vec::new();
            write(&mut out, &table::OF_CHECK, &series, format);
            let mut registry = Registry::default();
            registry.register_collector(Box::new(crate::report::metrics::Build));
            write_registry(&mut out, &registry, format);
            write_end(&mut out, format);
            let (out, whole) = (String::from_utf8(out).unwrap(), exposition(&reports));
            match format {
                Format::OpenMetrics => assert_eq!(out, whole),
                Format::Plain => assert_eq!(out, table::plain(&whole)),
            }
        }
        let mut out = Vec::new();
        write(&mut out, &table::OF_CHECK, &[], Format::Plain);
        assert_eq!(out, b"");
    }

    #[test]
    fn a_name_cannot_end_its_part() {
        let name = "a\n# HELP x\n\"} 1";
        let series = Arc::new(Series::of(&table::OF_CHECK, samples(&unreached(name))));
        let mut out = Vec::new();
        write(&mut out, &table::OF_CHECK, &[series], Format::OpenMetrics);
        let mut expected = exposition(&[unreached(name)]);
        expected.truncate(expected.find("# HELP pipeprobe_build").unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
