//! Finds fewer steps that fail as well.

/// Leaves out as many of `items` as can be while it still `fails`: halves first, then less and less.
pub fn shortest<T: Clone>(mut items: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut piece = items.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < items.len() {
            let end = (at + piece).min(items.len());
            let mut fewer = items.clone();
            fewer.drain(at..end);
            if fails(&fewer) {
                items = fewer;
            } else {
                at = end;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    items
}

#[cfg(test)]
mod tests {
    use super::shortest;

    #[test]
    fn only_what_matters_stays() {
        let fails = |items: &[u32]| items.contains(&3) && items.contains(&17);
        assert_eq!(shortest((0..40).collect(), fails), [3, 17]);
    }

    #[test]
    fn nothing_may_be_enough() {
        assert!(shortest(vec![1, 2, 3], |_| true).is_empty());
    }
}
