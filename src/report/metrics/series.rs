//! The series of one target as text. They change only with a check of the target, but are scraped more often and together
//! with those of thousands of other targets, so `/metrics` only has to put the texts together.

use std::{fmt::Write, sync::Arc};

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

/// The series of one target, by metric.
#[derive(Debug, Default)]
pub(crate) struct Series {
    text: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Index in the list of metrics.
    metric: u16,
    /// Where the text of the metric ends. It begins at the end of the one before.
    end: u32,
}

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
        let (mut text, mut parts) = (String::new(), Vec::new());
        for line in encoded.split_inclusive('\n') {
            if line.starts_with("# HELP ") {
                parts.extend(present.next().map(|metric| Part { metric, end: 0 }));
            } else if !line.starts_with('#') {
                text.push_str(line);
            }
            if let Some(part) = parts.last_mut() {
                part.end = u32::try_from(text.len()).expect("short");
            }
        }
        Self { text: text.into(), parts: parts.into() }
    }
}

/// Writes the metrics, each with the series of all targets.
pub(crate) fn write(out: &mut String, metrics: &[&'static MetricDef], all: &[Arc<Series>], format: Format) {
    // Without this, growing copies megabytes.
    out.reserve(all.iter().map(|series| series.text.len()).sum());
    let mut next: Vec<u16> = vec![0; all.len()];
    for (metric, i) in metrics.iter().zip(0..) {
        let mut is_first = true;
        for (series, next) in all.iter().zip(&mut next) {
            let place = usize::from(*next);
            let Some(part) = series.parts.get(place).filter(|part| part.metric == i) else { continue };
            let start = place.checked_sub(1).map_or(0, |before| series.parts[before].end);
            if std::mem::take(&mut is_first) {
                out.push_str(&header(metric, format));
            }
            out.push_str(&series.text[start as usize..part.end as usize]);
            *next += 1;
        }
    }
}

/// Everything that the registry has, in this format.
pub(crate) fn write_registry(out: &mut String, registry: &Registry, format: Format) {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode_registry(&mut text, registry);
    match format {
        Format::OpenMetrics => out.push_str(&text),
        Format::Plain => out.push_str(&table::plain(&text)),
    }
}

/// The end of an exposition.
pub(crate) fn write_end(out: &mut String, format: Format) {
    if format == Format::OpenMetrics {
        let _ = writeln!(out, "# EOF");
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
        let series = reports.each_ref().map(|report| Arc::new(Series::of(&table::OF_CHECK, samples(report))));
        for format in [Format::OpenMetrics, Format::Plain] {
            let mut out = String::new();
            write(&mut out, &table::OF_CHECK, &series, format);
            let mut registry = Registry::default();
            registry.register_collector(Box::new(crate::report::metrics::Build));
            write_registry(&mut out, &registry, format);
            write_end(&mut out, format);
            let whole = exposition(&reports);
            match format {
                Format::OpenMetrics => assert_eq!(out, whole),
                Format::Plain => assert_eq!(out, table::plain(&whole)),
            }
        }
        let mut out = String::new();
        write(&mut out, &table::OF_CHECK, &[], Format::Plain);
        assert_eq!(out, "");
    }

    #[test]
    fn a_name_cannot_end_its_part() {
        let name = "a\n# HELP x\n\"} 1";
        let series = Arc::new(Series::of(&table::OF_CHECK, samples(&unreached(name))));
        let mut out = String::new();
        write(&mut out, &table::OF_CHECK, &[series], Format::OpenMetrics);
        let mut expected = exposition(&[unreached(name)]);
        expected.truncate(expected.find("# HELP pipeprobe_build").unwrap());
        assert_eq!(out, expected);
    }
}
