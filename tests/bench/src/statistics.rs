//! Medians of interleaved rounds, and percentiles of latencies.

/// The middle value; of an even number the mean of the middle two. Nothing: not a number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2));
    match (low, high) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// Half of the distance between the quartiles, in percent of the median: how far to trust it.
pub fn spread_percent(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get(place(sorted.len(), share)).copied().unwrap_or(f64::NAN);
    (at(0.75) - at(0.25)) / 2.0 / median(values) * 100.0
}

/// The value that `share` of all values do not exceed. `sorted` ascends.
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    sorted.get(place(sorted.len(), share)).copied().unwrap_or(0)
}

/// Two things measured in turns, round by round. Their ratio is the median of the rounds' ratios: what disturbs a round disturbs both.
pub fn ratio(of: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    median(&ratios)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a length is a place in it"
)]
fn place(length: usize, share: f64) -> usize {
    ((length as f64 * share).ceil() as usize).clamp(1, length.max(1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&sorted, 0.5), 50);
        assert_eq!(percentile(&sorted, 0.99), 99);
        assert_eq!(percentile(&sorted, 1.0), 100);
        assert_eq!(percentile(&[7], 0.99), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }

    #[test]
    fn a_disturbed_round_disturbs_both() {
        assert_eq!(ratio(&[20.0, 200.0, 21.0], &[10.0, 100.0, 10.0]), 2.0);
    }
}
