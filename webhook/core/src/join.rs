//! Waits for several futures at once, on the caller's own task: core knows no runtime.

use std::future::poll_fn;
use std::task::Poll;

use crate::inventory::BoxFuture;

/// All outputs, in the order of the futures. Every wake polls those that are not ready yet: there are as many as components, so a handful.
pub(crate) async fn join_all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    enum Slot<'a, T> {
        Waiting(BoxFuture<'a, T>),
        Ready(Option<T>),
    }
    let mut slots: Vec<Slot<'_, T>> = futures.into_iter().map(Slot::Waiting).collect();
    // Outputs move in and out of their slots only; nothing that is pinned moves.
    poll_fn(move |context| {
        let mut all_ready = true;
        for slot in &mut slots {
            if let Slot::Waiting(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Slot::Ready(Some(output)),
                    Poll::Pending => all_ready = false,
                }
            }
        }
        if !all_ready {
            return Poll::Pending;
        }
        Poll::Ready(
            slots
                .iter_mut()
                .filter_map(|slot| match slot {
                    Slot::Ready(output) => output.take(),
                    Slot::Waiting(_) => None,
                })
                .collect(),
        )
    })
    .await
}
