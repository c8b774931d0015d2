//! Which of the members that hold a shard are asked first.

/// What a member that was never asked is taken to need for 1 MiB, in seconds.
pub(super) const UNKNOWN_PACE: f64 = 0.1;

/// What it costs to ask a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// It did not answer just now.
    pub(super) is_silent: bool,
    /// For 1 MiB, with what it is asked already.
    pub(super) seconds: f64,
}

impl Cost {
    pub(super) const UNKNOWN: Self = Self { is_silent: false, seconds: UNKNOWN_PACE };

    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        self.is_silent.cmp(&other.is_silent).then(self.seconds.total_cmp(&other.seconds))
    }

    /// By a factor of four, which is less than decoding costs on a fast line.
    fn is_far_below(&self, other: &Self) -> bool {
        !self.is_silent && (other.is_silent || self.seconds * 4.0 < other.seconds)
    }
}

/// The places, the member that will answer first at the start.
pub(super) fn by_cost(costs: &[Cost]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|a, b| costs[*a].compare(&costs[*b]));
    order
}

/// The same with those first that a whole pack is asked of: the `needed` that hold data, since that needs no decoding, unless
/// others are much faster. Which member has which index changes from pack to pack, so all have their share of the work.
pub(super) fn for_a_pack(costs: &[Cost], needed: usize) -> Vec<usize> {
    let (mut first, mut others): (Vec<_>, Vec<_>) = by_cost(costs).into_iter().partition(|at| *at < needed);
    for (slow, fast) in first.iter_mut().rev().zip(&mut others) {
        if !costs[*fast].is_far_below(&costs[*slow]) {
            break;
        }
        std::mem::swap(slow, fast);
    }
    others.sort_by(|a, b| costs[*a].compare(&costs[*b]));
    first.extend(others);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(seconds: &[f64]) -> Vec<Cost> {
        seconds.iter().map(|seconds| Cost { is_silent: false, seconds: *seconds }).collect()
    }

    #[test]
    fn data_is_asked_for_unless_others_are_much_faster() {
        assert_eq!(for_a_pack(&costs(&[0.2, 0.3, 0.1, 0.08, 0.09]), 3), [2, 0, 1, 3, 4], "about as fast is no reason");
        assert_eq!(for_a_pack(&costs(&[0.2, 0.5, 0.9, 0.1, 0.3]), 3), [0, 1, 3, 4, 2], "the slowest one is passed by");
        let mut some = costs(&[0.1, 0.1, 0.1, 9.0, 9.0]);
        some[1].is_silent = true;
        assert_eq!(for_a_pack(&some, 3), [0, 2, 3, 4, 1], "whoever is silent comes last, however slow the others are");
        some.iter_mut().for_each(|cost| cost.is_silent = true);
        assert_eq!(for_a_pack(&some, 3).len(), 5, "but is asked");
    }
}
