//! What a bundle sets, for people on a console.

use super::content::{Content, Settings};

/// A line for each thing that it sets.
pub(crate) fn sentences(content: &Content) -> Vec<String> {
    let reseller = &content.reseller;
    let mut lines = vec![format!(
        "Bundle of {} ({}), serial {}, taken until {}",
        reseller.name.as_str(),
        reseller.contact.as_str(),
        content.serial,
        content.not_after
    )];
    lines.extend(of_the_start(&content.settings));
    let settings = content.settings.catalog();
    if let Some(mail) = &settings.mail {
        let user = mail.user.as_ref().map_or_else(String::new, |user| format!(" as {user}"));
        lines.push(format!(
            "mail: {}:{} ({}){user}, from {} to {}, in {}, report at {}{}",
            mail.host,
            mail.port,
            mail.security.word(),
            mail.sender,
            mail.recipients.join(", "),
            mail.language,
            time(mail.report_minute),
            if mail.weekends { ", on weekends too" } else { "" }
        ));
    }
    if let Some(mailed) = &settings.mailed {
        let words: Vec<&str> = mailed.iter().map(|severity| severity.word()).collect();
        lines.push(format!("alerts by mail: {}", if words.is_empty() { "none".to_owned() } else { words.join(", ") }));
    }
    if let Some(quiet) = settings.quiet {
        let hours = quiet.hours.map(|(from, until)| format!("{} to {}", time(from), time(until)));
        let weekends = quiet.weekends.then(|| "Saturdays and Sundays".to_owned());
        let both: Vec<String> = hours.into_iter().chain(weekends).collect();
        lines.push(format!("quiet: {}", if both.is_empty() { "never".to_owned() } else { both.join(", ") }));
    }
    for (profile, change) in &settings.machines {
        let parts = [
            change.every.map(|every| format!("every {every}")),
            change.local.as_ref().map(|policy| format!("kept here {policy}")),
            change.external.as_ref().map(|policy| format!("kept by peers {policy}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        lines.push(format!("new machines, {profile}: {}", parts.join("; ")));
    }
    lines
}

/// What the running box has read at its start, so that a bundle changes it from the next one on.
pub(crate) fn only_from_the_next_start(content: &Content) -> Vec<String> {
    of_the_start(&content.settings)
}

fn of_the_start(settings: &Settings) -> Vec<String> {
    let config = settings.config();
    let yes = |value: &bool| if *value { "yes" } else { "no" }.to_owned();
    let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let parts = [
        ("portal.names", config.portal.names.map(|names| list(names.iter().map(|n| n.as_str().to_owned()).collect()))),
        ("machine_port.keep_open", config.machine_port.keep_open.as_ref().map(yes)),
        ("discovery.mdns", config.discovery.mdns.as_ref().map(yes)),
        ("commissioning.automatic", config.commissioning.automatic.as_ref().map(yes)),
        (
            "commissioning.time_servers",
            config.commissioning.time_servers.map(|all| list(all.iter().map(ToString::to_string).collect())),
        ),
        (
            "commissioning.coordinators",
            config.commissioning.coordinators.map(|all| list(all.iter().map(ToString::to_string).collect())),
        ),
    ];
    parts.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?))).collect()
}

fn time(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
