//! List, create and delete characters; the maps that are up.

use std::collections::BTreeMap;

use protocol::{
    CharacterId, Code, Failure, MapName,
    lobby::{Answer, ChannelSummary, MapSummary, MemberCall},
    names,
};
use sessions::Session;

use super::Lobby;

impl Lobby {
    /// Answers a member.
    pub(super) async fn answer(
        &self,
        session: &Session,
        call: MemberCall,
    ) -> Result<Answer, Failure> {
        let account = session.account;
        match call {
            MemberCall::Logout => self.logout(session).await,
            MemberCall::ListCharacters => {
                Ok(Answer::Characters { characters: self.store.list_characters(account).await? })
            }
            MemberCall::CreateCharacter { name } => {
                let (key, map) = (names::character_key(&name)?, &self.settings.start_map);
                let limit = self.settings.characters_per_account;
                let created = self.store.create_character(account, &name, &key, map, limit).await?;
                Ok(Answer::Created { character: created })
            }
            MemberCall::DeleteCharacter { character } => {
                self.bring_home(session, character).await?;
                self.store.delete_character(account, character).await?;
                Ok(Answer::Deleted { character })
            }
            MemberCall::ListMaps => self.list_maps().await,
            MemberCall::SelectCharacter { character, channel, beside } => {
                self.select(session, character, channel, beside.as_deref()).await
            }
        }
    }

    async fn list_maps(&self) -> Result<Answer, Failure> {
        let mut maps: BTreeMap<MapName, Vec<ChannelSummary>> = BTreeMap::new();
        for server in self.cluster.maps().await? {
            maps.entry(server.map).or_default().push(ChannelSummary {
                channel: server.channel,
                population: server.population,
                capacity: server.capacity,
            });
        }
        let summary = |(map, mut channels): (MapName, Vec<ChannelSummary>)| {
            channels.sort_by_key(|channel| channel.channel);
            MapSummary { map, channels }
        };
        Ok(Answer::Maps { maps: maps.into_iter().map(summary).collect() })
    }
}

/// The failure for a character that the account does not have.
pub(super) fn unknown(character: CharacterId) -> Failure {
    let message = format!("your account has no character {character}; list your characters");
    Failure::new(Code::CharacterUnknown, message)
}
