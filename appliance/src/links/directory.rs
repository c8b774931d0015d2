//! Asking the company's directory (LDAP v3, RFC 4511): whether a password is somebody's, and which groups they are in.
//!
//! Each question is a conversation of its own, on a thread of its own, with one deadline for all of it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, StdStream, dn_escape,
    ldap_escape,
};

use super::trust::{self, TrustError};
use crate::operations::accounts::{AccountName, Directory, DirectoryError, DirectorySecurity, DirectorySetting, Known};
use crate::operations::chain;
use crate::plain::plain;

/// For a whole conversation.
const PATIENCE: Duration = Duration::from_secs(15);
/// For connecting to one address.
const CONNECT: Duration = Duration::from_secs(5);
/// Groups of one person that are asked for.
const GROUPS_MAX: i32 = 500;
/// RFC 4511, appendix A: the name or the password is wrong.
const INVALID_CREDENTIALS: u32 = 49;
/// RFC 4511, appendix A.
const SUCCESS: u32 = 0;
/// RFC 4511, appendix A: there was more than was asked for.
const SIZE_LIMIT: u32 = 4;
/// Of Active Directory's `userAccountControl`: the account is disabled.
const DISABLED: u32 = 2;

/// The directory over the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverLdap;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum LdapFault {
    #[error("the name `{host}` leads to no address, or nothing answers there")]
    Connect { host: String },
    #[error("without TLS the directory is asked on this computer only; choose LDAPS or STARTTLS")]
    Plain,
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the directory did not answer within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("the conversation with the directory failed")]
    Ldap(#[from] LdapError),
    #[error("the directory refuses the service account: {said}")]
    Service { said: String },
    #[error("the directory refuses the question: {said}")]
    Refused { said: String },
    #[error("the filter finds several people of this name: make it find one")]
    Several,
    #[error("the conversation could not be begun")]
    Start(#[from] std::io::Error),
    #[error("what the directory answered cannot be read")]
    Garbled,
}

impl Directory for OverLdap {
    fn ask(
        &self,
        setting: &DirectorySetting,
        service: Option<&str>,
        name: &AccountName,
        password: Option<&str>,
    ) -> Result<Known, DirectoryError> {
        let known = std::thread::scope(|scope| {
            let asking = std::thread::Builder::new().name("directory".to_owned()).spawn_scoped(scope, || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let answer = runtime.block_on(async {
                    let conversation = Conversation { setting, service, name, password };
                    tokio::time::timeout(PATIENCE, conversation.hold()).await.unwrap_or(Err(LdapFault::Slow))
                });
                // What still waits for the other side must not keep this thread.
                runtime.shutdown_background();
                answer
            });
            // The crate panics on some answers that are not LDAP; that ends this thread and nothing else.
            asking.map_err(LdapFault::Start).and_then(|asking| asking.join().unwrap_or(Err(LdapFault::Garbled)))
        });
        known.map_err(|fault| DirectoryError(chain(&fault)))
    }
}

/// One question.
struct Conversation<'c> {
    setting: &'c DirectorySetting,
    service: Option<&'c str>,
    name: &'c AccountName,
    password: Option<&'c str>,
}

impl Conversation<'_> {
    async fn hold(&self) -> Result<Known, LdapFault> {
        let mut ldap = self.connect().await?;
        let known = match (&self.setting.template, &self.setting.service, self.password) {
            (Some(template), _, Some(password)) => {
                let is_theirs = bind(&mut ldap, &filled_name(template, self.name), password).await?;
                if is_theirs { self.find(&mut ldap).await? } else { Known::Nobody }
            }
            (_, Some(service), _) => {
                let secret = self.service.unwrap_or_default();
                let said = ldap.simple_bind(&service.name, secret).await?;
                if said.rc != SUCCESS || secret.is_empty() {
                    return Err(LdapFault::Service { said: words(said.rc, &said.text) });
                }
                self.find(&mut ldap).await?
            }
            (Some(_), None, None) | (None, None, _) => {
                return Err(LdapFault::Service { said: "there is none".to_owned() });
            }
        };
        let _ = ldap.unbind().await;
        match (&known, self.password) {
            (Known::Entry { entry, .. }, Some(password)) if !self.is_password_of(entry, password).await? => {
                Ok(Known::Nobody)
            }
            _ => Ok(known),
        }
    }

    /// Whether the password is that of the entry itself: a template and a filter may lead to two people.
    async fn is_password_of(&self, entry: &str, password: &str) -> Result<bool, LdapFault> {
        let mut theirs = self.connect().await?;
        let is_right = bind(&mut theirs, entry, password).await?;
        // They may go without a word.
        let _ = theirs.unbind().await;
        Ok(is_right)
    }

    async fn connect(&self) -> Result<Ldap, LdapFault> {
        let setting = self.setting;
        let stream = self.stream()?;
        let settings = LdapConnSettings::new().set_conn_timeout(PATIENCE).set_std_stream(StdStream::Tcp(stream));
        let (scheme, settings) = match setting.security {
            DirectorySecurity::Ldaps => {
                ("ldaps", settings.set_config(trust::client_config(setting.authority.as_deref())?))
            }
            DirectorySecurity::StartTls => {
                let config = trust::client_config(setting.authority.as_deref())?;
                ("ldap", settings.set_config(config).set_starttls(true))
            }
            DirectorySecurity::None => ("ldap", settings),
        };
        let (open, close) = if setting.host.contains(':') { ("[", "]") } else { ("", "") };
        let url = format!("{scheme}://{open}{}{close}:{}", setting.host, setting.port);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await?;
        tokio::spawn(async move {
            // What breaks it shows in the answer that does not come.
            let _ = connection.drive().await;
        });
        Ok(ldap)
    }

    fn stream(&self) -> Result<TcpStream, LdapFault> {
        let host = &self.setting.host;
        let addresses = (host.as_str(), self.setting.port).to_socket_addrs();
        for address in addresses.map_err(|_| LdapFault::Connect { host: host.clone() })?.take(4) {
            if self.setting.security == DirectorySecurity::None && !address.ip().is_loopback() {
                return Err(LdapFault::Plain);
            }
            if let Ok(stream) = TcpStream::connect_timeout(&address, CONNECT) {
                return Ok(stream);
            }
        }
        Err(LdapFault::Connect { host: host.clone() })
    }

    /// The entry of the name, and the groups that it is in: those that it names, and those that name it.
    async fn find(&self, ldap: &mut Ldap) -> Result<Known, LdapFault> {
        let filter = filled_filter(&self.setting.filter, self.name);
        let attributes = ["memberOf", "userAccountControl", "nsAccountLock"];
        let mut found = self.search(ldap, &filter, &attributes, 2).await?;
        let Some(person) = found.pop() else { return Ok(Known::Nobody) };
        if !found.is_empty() {
            return Err(LdapFault::Several);
        }
        if is_shut_out(&person) {
            return Ok(Known::Nobody);
        }
        let (entry, name) = (ldap_escape(person.dn.as_str()), ldap_escape(self.name.as_str()));
        let filter = format!("(|(member={entry})(uniqueMember={entry})(memberUid={name}))");
        let named_by = self.search(ldap, &filter, &["1.1"], GROUPS_MAX).await?;
        let named = person.attrs.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("memberOf"));
        let groups = named.flat_map(|(_, groups)| groups).chain(named_by.into_iter().map(|group| group.dn));
        Ok(Known::Entry { entry: person.dn, groups: groups.collect() })
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        filter: &str,
        attributes: &[&str],
        limit: i32,
    ) -> Result<Vec<SearchEntry>, LdapFault> {
        ldap.with_search_options(SearchOptions::new().sizelimit(limit).timelimit(10));
        let found = ldap.search(&self.setting.base, Scope::Subtree, filter, attributes.to_vec()).await?;
        if found.1.rc != SUCCESS && found.1.rc != SIZE_LIMIT {
            return Err(LdapFault::Refused { said: words(found.1.rc, &found.1.text) });
        }
        let entries = found.0.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(entries.map(SearchEntry::construct).collect())
    }
}

/// Whether the password is right. An empty one never is: it would be a bind without a name (RFC 4513, 5.1.2).
async fn bind(ldap: &mut Ldap, name: &str, password: &str) -> Result<bool, LdapFault> {
    if password.is_empty() || name.is_empty() {
        return Ok(false);
    }
    let said = ldap.simple_bind(name, password).await?;
    match said.rc {
        SUCCESS => Ok(true),
        INVALID_CREDENTIALS => Ok(false),
        rc => Err(LdapFault::Refused { said: words(rc, &said.text) }),
    }
}

fn is_shut_out(person: &SearchEntry) -> bool {
    let value = |wanted: &str| {
        let found = person.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.and_then(|(_, values)| values.first()).map(String::as_str)
    };
    let flags = value("userAccountControl").and_then(|flags| flags.parse::<u32>().ok()).unwrap_or_default();
    flags & DISABLED != 0 || value("nsAccountLock").is_some_and(|locked| locked.eq_ignore_ascii_case("true"))
}

fn filled_name(template: &str, name: &AccountName) -> String {
    template.replace("{name}", &dn_escape(name.as_str()))
}

fn filled_filter(filter: &str, name: &AccountName) -> String {
    filter.replace("{name}", &ldap_escape(name.as_str()))
}

/// The server's own words, with its number (RFC 4511, appendix A).
fn words(rc: u32, text: &str) -> String {
    let name = match rc {
        8 => "it wants stronger protection",
        32 => "there is no such entry",
        34 => "a name of an entry is not written right",
        48 => "it takes no password this way",
        INVALID_CREDENTIALS => "the name or the password is wrong",
        50 => "it is not allowed",
        51 | 52 => "it is busy or away",
        53 => "it does not want to",
        _ => "it says no",
    };
    let text = plain(text, 200);
    format!("{name} ({rc}{}{text})", if text.is_empty() { "" } else { ": " })
}

#[cfg(test)]
mod tests;
