//! News about characters, told to whoever listens. News is dropped and counted while NATS is away
//! or slow; nobody waits for it.

use nats::Backbone;
use protocol::backbone::events::{CharacterEntered, CharacterLeft, CharacterWarped};
use tokio::sync::mpsc;

/// News held at most.
pub(crate) const QUEUE: usize = 1024;

/// Something that happened to a character.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    Entered(CharacterEntered),
    Warped(CharacterWarped),
    Left(CharacterLeft),
}

/// Publishes news until its channel is closed.
pub(crate) async fn deliver(mut news: mpsc::Receiver<News>, backbone: Backbone) {
    while let Some(news) = news.recv().await {
        let published = match &news {
            News::Entered(entered) => backbone.publish(entered).await,
            News::Warped(warped) => backbone.publish(warped).await,
            News::Left(left) => backbone.publish(left).await,
        };
        if published.is_err() {
            lost();
        }
    }
}

/// Counts news that nobody will hear.
pub(crate) fn lost() {
    metrics::counter!("mmo_map_news_dropped_total").increment(1);
}
