//! Register, log in, validate, log out.

use std::time::Duration;

use protocol::{
    AccessToken, AccountId, Code, Failure, SessionId,
    backbone::events::{SessionEnded, SessionOpened},
    lobby::{Answer, GuestCall},
    names,
};
use sessions::Session;
use tracing::{info, warn};

use super::{Lobby, connection::Member};

/// How long NATS may take to answer before a login: a client is told within 2 s in all.
const NATS_ANSWERS: Duration = Duration::from_millis(600);

impl Lobby {
    /// Answers a guest; with success it is a member.
    pub(super) async fn admit(&self, call: GuestCall) -> Result<(Member, Answer), Failure> {
        // Other servers must hear at once that an older session ended, so without NATS nobody
        // logs in. One that hangs looks connected for seconds: only an answer proves it.
        if let Err(failure) = self.pulse.beat(NATS_ANSWERS).await {
            warn!(%failure, "nobody can log in");
            let message = "logging in is not possible right now; try again in a few seconds";
            return Err(Failure::new(Code::Unavailable, message));
        }
        match call {
            GuestCall::Register { account, password } => self.register(&account, password).await,
            GuestCall::Login { account, password } => self.login(&account, password).await,
            GuestCall::Validate { account, access_token } => {
                self.validate(account, &access_token).await
            }
        }
    }

    async fn register(&self, name: &str, password: String) -> Result<(Member, Answer), Failure> {
        let name = names::account(name)?;
        names::password(&password)?;
        let hash = self.passwords.hash(password).await?;
        let account = self.store.create_account(&name, &hash).await?;
        info!(%account, name, "a new account");
        self.open(account, &name).await
    }

    async fn login(&self, name: &str, password: String) -> Result<(Member, Answer), Failure> {
        let refused = || Failure::new(Code::BadCredentials, "unknown account or wrong password");
        // A name that breaks the rules is nobody's; it takes as long as any other.
        let account = match names::account(name) {
            Ok(name) => self.store.find_account(&name).await?,
            Err(_) => None,
        };
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let holds = self.passwords.verify(hash, password).await?;
        match account.filter(|_| holds) {
            Some(account) => self.open(account.id, &account.name).await,
            None => Err(refused()),
        }
    }

    /// Opens a session; the one before it ends, wherever its client is.
    async fn open(&self, account: AccountId, name: &str) -> Result<(Member, Answer), Failure> {
        let endings = self.ended.subscribe();
        let opened = self.sessions.open(account, name).await?;
        if let Some(replaced) = opened.replaced {
            self.end(account, replaced, Code::SessionReplaced).await;
        }
        let session = opened.session;
        info!(%account, session = %session.session, name, "logged in");
        metrics::counter!("mmo_central_logins_total").increment(1);
        let event = SessionOpened { account, session: session.session, name: name.to_owned() };
        if let Err(error) = self.backbone.publish(&event).await {
            warn!(%error, "a login is not told");
        }
        let expires_in_s = self.sessions.ttl().as_secs();
        let answer = Answer::LoggedIn { account, access_token: opened.token, expires_in_s };
        Ok((Member { session, endings }, answer))
    }

    async fn validate(
        &self,
        account: AccountId,
        token: &AccessToken,
    ) -> Result<(Member, Answer), Failure> {
        let endings = self.ended.subscribe();
        let session = self.sessions.validate(account, token).await?.ok_or_else(|| {
            Failure::new(Code::TokenInvalid, "the access token does not hold; log in again")
        })?;
        Ok((Member { session, endings }, Answer::Valid { account }))
    }

    pub(super) async fn logout(&self, session: &Session) -> Result<Answer, Failure> {
        if self.sessions.close(session.account, session.session).await? {
            info!(account = %session.account, session = %session.session, "logged out");
            self.end(session.account, session.session, Code::LoggedOut).await;
        }
        Ok(Answer::LoggedOut)
    }

    /// Tells everybody that a session is over. Map Servers that miss it find out from Redis.
    async fn end(&self, account: AccountId, session: SessionId, why: Code) {
        let event = SessionEnded { account, session, why };
        if let Err(error) = self.backbone.publish(&event).await {
            warn!(%error, "the end of a session is not told");
        }
        let _ = self.ended.send(event); // here at once, whatever NATS does
    }
}
