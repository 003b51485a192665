//! What the API server counts about webhooks.
//!
//! Its counters begin anew whenever it starts: [`crate::ControlPlane`] adds what they were before.

use std::collections::BTreeSet;
use std::ops::Add;

/// Sums over all webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Calls, answered or not.
    pub calls: u64,
    /// Calls without a usable answer, whose request was refused: `failurePolicy: Fail`.
    pub refused: u64,
    /// Calls without a usable answer, whose request went on: `failurePolicy: Ignore`.
    pub passed: u64,
}

impl WebhookCounts {
    /// Reads them from the text of `/metrics`.
    pub fn read(metrics: &str) -> Self {
        let error = r#"error_type="calling_webhook_error""#;
        Self {
            calls: sum(metrics, "apiserver_admission_webhook_request_total", ""),
            refused: sum(metrics, "apiserver_admission_webhook_rejection_count", error),
            passed: sum(metrics, "apiserver_admission_webhook_fail_open_count", ""),
        }
    }

    /// Calls that failed.
    pub fn failures(&self) -> u64 {
        self.refused + self.passed
    }
}

impl Add for WebhookCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            refused: self.refused + other.refused,
            passed: self.passed + other.passed,
        }
    }
}

/// The sum of a counter over its series that have this label.
pub fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    // Counters are written as floating-point numbers, large ones as 1.2e+06.
    total(metrics, name, label) as u64
}

/// The same of what is not counted in ones, such as seconds.
pub fn total(metrics: &str, name: &str, label: &str) -> f64 {
    let values = series(metrics, name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value);
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// The values that a label has in the series of this name.
pub fn values(metrics: &str, name: &str, label: &str) -> BTreeSet<String> {
    let begin = format!("{label}=\"");
    let of = |labels: &str| Some(labels.split_once(&begin)?.1.split_once('"')?.0.to_owned());
    series(metrics, name).filter_map(|(labels, _)| of(labels)).collect()
}

/// Labels and value of each.
fn series<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let series = metrics.lines().filter_map(move |line| line.strip_prefix(name)?.rsplit_once(' '));
    series.filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_calls_are_told_from_denials() {
        let metrics = r#"
# TYPE apiserver_admission_webhook_rejection_count counter
apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error",name="a",operation="CREATE",rejection_code="0",type="validating"} 2
apiserver_admission_webhook_rejection_count{error_type="no_error",name="a",operation="CREATE",rejection_code="403",type="validating"} 40
apiserver_admission_webhook_fail_open_count{name="b",type="admit"} 3
apiserver_admission_webhook_request_total{code="200",name="a",operation="CREATE",rejected="false",type="validating"} 1.2e+06
apiserver_admission_webhook_request_total{code="600",name="a",operation="CREATE",rejected="true",type="validating"} 5
"#;
        let counts = WebhookCounts::read(metrics);
        assert_eq!(counts, WebhookCounts { calls: 1_200_005, refused: 2, passed: 3 });
        assert_eq!(counts.failures(), 5);
    }
}
