//! Load, save and hand over characters for Map Servers, over NATS. SQL is the authority, so any
//! number of Centrals may serve this.

use std::future::Future;

use nats::{BackboneError, Request, Service};
use protocol::{
    Failure,
    backbone::{
        Done,
        characters::{
            AbandonCharacter, CharacterSaved, CharactersCommitted, CommitCharacters, LoadCharacter,
            ReleaseCharacter, SaveCharacter, TransferCharacter,
        },
    },
};
use store::{Store, StoreError};

/// Adds the endpoints of the `characters` service.
pub(crate) async fn serve(service: &mut Service, store: &Store) -> Result<(), BackboneError> {
    add(service, store, |store: Store, ask: LoadCharacter| async move {
        store.load(ask.character, &ask.owner).await
    })
    .await?;
    add(service, store, |store: Store, ask: SaveCharacter| async move {
        Ok(CharacterSaved { claim: store.save(ask).await? })
    })
    .await?;
    add(service, store, |store: Store, ask: CommitCharacters| async move {
        Ok(CharactersCommitted { claims: store.commit(ask.saves).await? })
    })
    .await?;
    add(service, store, |store: Store, ask: TransferCharacter| async move {
        Ok(CharacterSaved { claim: store.transfer(ask).await? })
    })
    .await?;
    add(service, store, |store: Store, ask: ReleaseCharacter| async move {
        store.release(ask).await?;
        Ok(Done {})
    })
    .await?;
    add(service, store, |store: Store, ask: AbandonCharacter| async move {
        store.abandon(ask.character, &ask.owner, None).await?;
        Ok(Done {})
    })
    .await
}

async fn add<R, F>(
    service: &mut Service,
    store: &Store,
    handle: impl Fn(Store, R) -> F + Send + Sync + 'static,
) -> Result<(), BackboneError>
where
    R: Request<To = ()>,
    F: Future<Output = Result<R::Reply, StoreError>> + Send + 'static,
{
    let store = store.clone();
    let handle = move |ask| {
        let done = handle(store.clone(), ask);
        async move { done.await.map_err(Failure::from) }
    };
    service.add(&(), handle).await
}
