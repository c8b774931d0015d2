//! Many questions to the catalog at once, shared out between threads.

/// Batches of more than this many are shared out.
const ALONE_MAX: usize = 2_000;

/// More threads than this do not pay: there are three reading connections, and one is left for others.
const THREADS_MAX: usize = 2;

/// What `answer` says of `questions`, part by part in their order.
pub(super) fn shared_out<Q: Sync, A: Send>(questions: &[Q], answer: &(dyn Fn(&[Q]) -> A + Sync)) -> Vec<A> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    if questions.len() <= ALONE_MAX || threads == 1 {
        return vec![answer(questions)];
    }
    std::thread::scope(|scope| {
        let parts = questions.chunks(questions.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || answer(part))).collect();
        let panicked = |panic| std::panic::resume_unwind(panic);
        running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_asked_once_and_answered_in_order() {
        for len in [0, 1, ALONE_MAX, ALONE_MAX + 1, 3 * ALONE_MAX] {
            let questions: Vec<usize> = (0..len).collect();
            let answers = shared_out(&questions, &|part: &[usize]| part.to_vec());
            assert_eq!(answers.concat(), questions);
        }
    }
}
