//! Orders of growth.

use std::fmt;

/// The growth of a time with the size of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a bench compares with a bound")]
pub enum Order {
    /// O(1): no time is more than [`Order::FLAT`] times that of the smallest size.
    Constant,
    /// O(log n). Also the growth of a lookup whose data moves from the nearest cache to memory.
    Logarithmic,
    /// O(n).
    Linear,
    /// O(n²).
    Quadratic,
}

// === impl Order ===

impl Order {
    /// The largest ratio of a constant curve to the time of its smallest size.
    pub const FLAT: f64 = 1.5;

    /// Returns the order that fits best to `points`, pairs of size and time, in the order of their sizes. The
    /// sizes and times must be above 0.
    ///
    /// The model of each order is `a + b f(n)`, fitted by least squares of the relative errors.
    pub fn fit(points: &[(f64, f64)]) -> Self {
        let first = points.first().map_or(0.0, |(_, time)| *time);
        if points.iter().all(|(_, time)| *time <= first * Self::FLAT) {
            return Self::Constant;
        }
        let error = |order: &Self| order.error(points);
        let growing = [Self::Logarithmic, Self::Linear, Self::Quadratic];
        let best = growing
            .into_iter()
            .min_by(|one, other| error(one).total_cmp(&error(other)));
        best.unwrap_or(Self::Constant)
    }

    /// The growth from the smallest size, `first`, to `size`.
    fn growth(self, first: f64, size: f64) -> f64 {
        match self {
            Self::Constant => 0.0,
            Self::Logarithmic => (size / first).ln(),
            Self::Linear => size - first,
            Self::Quadratic => size * size - first * first,
        }
    }

    /// The sum of the squared relative errors of the model, fitted to `points`.
    fn error(self, points: &[(f64, f64)]) -> f64 {
        let first = points
            .iter()
            .map(|(size, _)| *size)
            .fold(f64::MAX, f64::min);
        // The relative error of `a + b f` is `a u + b v - 1`, with `u = 1 / time` and `v = f / time`.
        let terms = |(size, time): &(f64, f64)| (1.0 / time, self.growth(first, *size) / time);
        let sum = |product: fn(f64, f64) -> f64| {
            let products = points.iter().map(terms).map(|(u, v)| product(u, v));
            products.sum::<f64>()
        };
        let (uu, uv, vv) = (sum(|u, _| u * u), sum(|u, v| u * v), sum(|_, v| v * v));
        let (u, v) = (sum(|u, _| u), sum(|_, v| v));
        let determinant = uu * vv - uv * uv;
        let (a, b) = (
            (u * vv - v * uv) / determinant,
            (v * uu - u * uv) / determinant,
        );
        let errors = points.iter().map(terms).map(|(u, v)| a * u + b * v - 1.0);
        errors.map(|error| error * error).sum()
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "O(1)",
            Self::Logarithmic => "O(log n)",
            Self::Linear => "O(n)",
            Self::Quadratic => "O(n²)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_noisy_curves_is_found() {
        let sizes = [5.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 8_000.0];
        let noise = [1.0, 1.08, 0.95, 1.05, 0.93, 1.1, 1.0];
        let curve = |time: fn(f64) -> f64| {
            let points = sizes.iter().zip(noise);
            let points = points.map(|(size, noise)| (*size, time(*size) * noise));
            Order::fit(&points.collect::<Vec<_>>())
        };
        assert_eq!(curve(|_| 7.0), Order::Constant);
        assert_eq!(curve(|n| 2.0 + 9.0 / n), Order::Constant);
        assert_eq!(curve(|n| 1.0 + n.ln()), Order::Logarithmic);
        assert_eq!(curve(|n| 0.2 * n), Order::Linear);
        assert_eq!(curve(|n| 900.0 + n), Order::Linear);
        assert_eq!(curve(|n| 500.0 + 0.02 * n * n), Order::Quadratic);
    }
}
