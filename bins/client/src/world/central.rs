//! Central: accounts, characters and seats.

use protocol::{
    AccessToken, AccountId, CharacterId, Code, Failure,
    frame::Role,
    lobby::{Answer, GuestCall, LobbyMessage, MapSummary, MemberCall, Numbered, read_call},
    world::CharacterSummary,
};
use tokio::{net::TcpListener, task::JoinSet};
use wire::{Connection, Limits};

use super::{Account, Fault, Shared};

pub(super) async fn serve(listener: TcpListener, shared: Shared) {
    let mut guests = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let shared = shared.clone();
        guests.spawn(async move {
            let connection = wire::accept(socket, Role::Central, Limits::default()).await.unwrap();
            talk(connection, shared).await;
        });
    }
}

async fn talk(mut connection: Connection, shared: Shared) {
    let mut name: Option<String> = None;
    while let Ok(frame) = connection.receive().await {
        let encoding = connection.encoding();
        let (id, outcome) = if let Some(member) = name.clone() {
            let call = read_call::<MemberCall, GuestCall>(encoding, &frame, "a member").unwrap();
            if call.call == MemberCall::Logout {
                name = None;
            }
            (call.id, member_call(&shared, &member, call.call))
        } else {
            let read = read_call::<GuestCall, MemberCall>(encoding, &frame, "a guest");
            let Numbered { id, call } = read.unwrap();
            let outcome = guest_call(&shared, call);
            (
                id,
                outcome.map(|(who, answer)| {
                    name = Some(who);
                    answer
                }),
            )
        };
        let message = match outcome {
            Ok(answer) => LobbyMessage::Answer { id, answer },
            Err(failure) => LobbyMessage::Failed { id: Some(id), failure },
        };
        if connection.send(&message).await.is_err() {
            break;
        }
    }
    connection.close().await;
}

fn guest_call(shared: &Shared, call: GuestCall) -> Result<(String, Answer), Failure> {
    let accounts = &mut shared.books().accounts;
    match call {
        GuestCall::Register { account, password } => {
            if accounts.contains_key(&account) {
                return Err(Failure::new(Code::NameTaken, "that account exists; log in"));
            }
            let id = AccountId::new();
            let fresh = Account { id, password, token: None, characters: Vec::new() };
            let account_books = accounts.entry(account.clone()).or_insert(fresh);
            Ok((account, log_in(account_books)))
        }
        GuestCall::Login { account, password } => match accounts.get_mut(&account) {
            Some(books) if books.password == password => Ok((account, log_in(books))),
            _ => Err(Failure::new(Code::BadCredentials, "wrong name or password")),
        },
        GuestCall::Validate { account, access_token } => {
            let token = Some(access_token);
            let holds =
                accounts.iter().find(|(_, books)| books.id == account && books.token == token);
            let (name, _) =
                holds.ok_or_else(|| Failure::new(Code::TokenInvalid, "log in again"))?;
            Ok((name.clone(), Answer::Valid { account }))
        }
    }
}

fn log_in(account: &mut Account) -> Answer {
    let access_token = AccessToken::from_bytes(rand::random());
    account.token = Some(access_token.clone());
    Answer::LoggedIn { account: account.id, access_token, expires_in_s: 600 }
}

fn member_call(shared: &Shared, name: &str, call: MemberCall) -> Result<Answer, Failure> {
    let mut books = shared.books();
    let account = books.accounts.get_mut(name).unwrap();
    Ok(match call {
        MemberCall::Logout => {
            if shared.fault != Fault::TokenKept {
                account.token = None;
            }
            Answer::LoggedOut
        }
        MemberCall::ListCharacters => Answer::Characters { characters: account.characters.clone() },
        MemberCall::CreateCharacter { name } => {
            let map = "town".parse().unwrap();
            let character = CharacterSummary { character: CharacterId::new(), name, map };
            account.characters.push(character.clone());
            Answer::Created { character }
        }
        MemberCall::DeleteCharacter { character } => {
            account.characters.retain(|summary| summary.character != character);
            Answer::Deleted { character }
        }
        MemberCall::ListMaps => {
            let summary =
                |map: &protocol::MapName| MapSummary { map: map.clone(), channels: vec![] };
            Answer::Maps { maps: books.ports.keys().map(summary).collect() }
        }
        MemberCall::SelectCharacter { character, .. } => {
            let map = books.character(character).map.clone();
            Answer::Selected { connection: books.seat(character, &map) }
        }
    })
}
