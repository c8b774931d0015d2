//! `datis requests`: what the box's admin asks to put back on this machine.

use std::path::PathBuf;

use datis_engine::wire::PutBackMode;
use serde_json::{Value, json};

use super::args::{RequestsArguments, RequestsCommand};
use super::output::{Failure, Output, count, local_time, size, timestamp};
use crate::errors::{chain, shown};
use crate::exit::Exit;
use crate::platform::host::user_name;
use crate::progress::{Display, Renderer};
use crate::requests::{self, Beforehand, Carried, Mark, Request, RequestError, beforehand, set_beforehand};
use crate::state::State;

pub(super) fn run(dir: PathBuf, arguments: RequestsArguments) -> Result<Exit, Failure> {
    let state = State::open(dir)?;
    match arguments.what {
        None => list(&state, arguments.json),
        Some(RequestsCommand::Accept { mark }) => accept(&state, &mark),
        Some(RequestsCommand::Refuse { request }) => refuse(&state, request),
        Some(RequestsCommand::Allow { agreed }) => allow(&state, agreed),
        Some(RequestsCommand::Serve) => Ok(requests::serve(&state, &super::interruptible())?),
    }
}

fn waiting(state: &State) -> Result<Vec<Result<Request, RequestError>>, Failure> {
    let mut connection = state.link()?.connect()?;
    Ok(requests::waiting(state, &mut connection)?)
}

fn list(state: &State, json: bool) -> Result<Exit, Failure> {
    let waiting = waiting(state)?;
    let mut output = Output::new();
    if json {
        output.line(&Value::Array(waiting.iter().map(fields).collect()).to_string())?;
    } else {
        lines(state, &waiting).iter().try_for_each(|line| output.line(line))?;
    }
    output.finish()?;
    Ok(Exit::Complete)
}

fn fields(request: &Result<Request, RequestError>) -> Value {
    match request {
        Ok(request) => json!({
            "request": request.id,
            "mark": request.mark.to_string(),
            "snapshot": request.snapshot.id.to_string(),
            "snapshot_finished_at": timestamp(request.snapshot.record.finished_at),
            "source": request.snapshot.record.source.as_str(),
            "mode": word(request.mode),
            "paths": request.paths.iter().map(|path| format!("/{}", shown(path.as_bytes()))).collect::<Vec<_>>(),
            "asked_by": request.asked_by,
            "asked_at": timestamp(request.asked_at),
            "expires_at": timestamp(request.expires_at),
        }),
        Err(error) => json!({ "message": chain(error) }),
    }
}

const fn word(mode: PutBackMode) -> &'static str {
    match mode {
        PutBackMode::Beside => "beside",
        PutBackMode::Overwrite => "overwrite",
    }
}

fn lines(state: &State, waiting: &[Result<Request, RequestError>]) -> Vec<String> {
    let mut lines = Vec::new();
    for request in waiting {
        match request {
            Ok(request) => lines.extend(told(request)),
            Err(error) => lines.push(chain(error)),
        }
    }
    if waiting.is_empty() {
        lines.push("Nobody asks to put anything back on this machine.".to_owned());
    } else {
        let how = "Agree with `datis requests accept NUMBER-LETTERS`, or say `datis requests refuse NUMBER`.";
        lines.push(how.to_owned());
    }
    lines.push(match beforehand(state.dir()) {
        Beforehand::Ask => "The service carries out none without asking.".to_owned(),
        Beforehand::Beside => "The service carries out those that replace nothing without asking.".to_owned(),
        Beforehand::All => "The service carries out all of them without asking.".to_owned(),
    });
    lines
}

fn told(request: &Request) -> Vec<String> {
    let fate = match request.mode {
        PutBackMode::Beside => "beside what is there",
        PutBackMode::Overwrite => "REPLACING what is there and, in folders, everything below that the backup has",
    };
    let mut lines = vec![format!(
        "{}: put back, {fate}, from the backup of `{}` of {}:",
        request.mark,
        shown(request.snapshot.record.source.as_str().as_bytes()),
        // As it was signed: what the box says of the time could make an old backup look like a new one.
        local_time(request.snapshot.record.finished_at)
    )];
    // All of them, and whole: whoever agrees has seen what to.
    lines.extend(request.paths.iter().map(|path| format!("   /{}", shown(path.as_bytes()))));
    // What the box alone says comes last, so that it cannot be read as any of the above.
    lines.push(format!(
        "   Asked by {} on {}; it waits until {}.",
        shown(request.asked_by.as_bytes()),
        local_time(request.asked_at),
        local_time(request.expires_at)
    ));
    lines
}

/// The request of which `mark` was shown, if the box still asks for the same.
fn find(state: &State, mark: &Mark) -> Result<Request, Failure> {
    let id = mark.request;
    let is_it = |request: &Result<Request, RequestError>| match request {
        Ok(request) => request.id == id,
        Err(RequestError::Unfit { id: unfit, .. }) => *unfit == id,
        Err(_) => false,
    };
    match waiting(state)?.into_iter().find(is_it) {
        Some(Ok(request)) if request.mark != *mark => Err(RequestError::Changed(id).into()),
        Some(request) => Ok(request?),
        None => Err(RequestError::Unknown(id).into()),
    }
}

fn accept(state: &State, mark: &Mark) -> Result<Exit, Failure> {
    let request = find(state, mark)?;
    let progress = super::interruptible();
    let renderer = Renderer::start(&progress, Display::choose(false));
    let carried = requests::carry_out(state, &request, &user_name(), &progress);
    renderer.finish();
    let carried = carried?;
    let mut output = Output::new();
    output.line(&format!(
        "Put back {} and {} with {}; every byte was checked.",
        count(carried.files, "file", "files"),
        count(carried.others, "other entry", "other entries"),
        size(carried.bytes)
    ))?;
    output.finish()?;
    Ok(tell_problems(&carried))
}

fn tell_problems(carried: &Carried) -> Exit {
    let Some(problem) = carried.first_problem.as_ref().filter(|_| carried.problems > 0) else { return Exit::Complete };
    tracing::warn!("{} not put back: {problem}", count(carried.problems, "entry was", "entries were"));
    Exit::Incomplete
}

fn refuse(state: &State, id: u64) -> Result<Exit, Failure> {
    // Also one that is unfit: the box hears that nobody here wants it.
    requests::refuse(state, id, &user_name())?;
    let mut output = Output::new();
    output.line(&format!("Request {id} is refused; the box's admin sees that."))?;
    output.finish()?;
    Ok(Exit::Complete)
}

fn allow(state: &State, agreed: Beforehand) -> Result<Exit, Failure> {
    set_beforehand(state.dir(), agreed)?;
    let mut output = Output::new();
    output.line(match agreed {
        Beforehand::Ask => "From now on you are asked each time.",
        Beforehand::Beside => "From now on the service carries out what replaces nothing without asking.",
        Beforehand::All => "From now on the service carries out everything without asking, also what replaces files.",
    })?;
    output.finish()?;
    Ok(Exit::Complete)
}

#[cfg(test)]
mod tests {
    use datis_engine::format::path::EntryPath;
    use datis_engine::units::UnixMillis;

    use super::*;

    #[test]
    fn a_request_is_shown_with_its_source_all_its_paths_and_the_date_that_was_signed() {
        let mut request = crate::requests::tests::request(30);
        // Ten years later, as the box says.
        request.snapshot.received_at = UnixMillis(2_000_000_000_000);
        let shown = told(&request).join("\n");
        assert!(
            shown.starts_with(&format!(
                "{}: put back, REPLACING what is there and, in folders, everything below",
                request.mark
            )),
            "{shown}"
        );
        let last = shown.lines().last().expect("a line");
        assert!(last.starts_with("   Asked by claire on ") && shown.matches("claire").count() == 31, "{shown}");
        assert!(shown.contains("`docs`") && shown.contains("2020-09-1") && !shown.contains("2033"), "{shown}");
        for path in &request.paths {
            assert!(shown.contains(&format!("   /{}\n", path)), "{shown}");
        }
        let fields = fields(&Ok(request));
        assert_eq!(fields["snapshot_finished_at"], "2020-09-13T12:26:40.000Z");
        assert!(!fields.to_string().contains("2033"), "{fields}");
    }

    #[test]
    fn no_name_can_turn_the_list_around() {
        let mut request = crate::requests::tests::request(1);
        request.paths = vec![EntryPath::from_user("/home/claire/\u{202e}fdp.exe".as_bytes()).expect("a path")];
        request.asked_by = "\u{2067}claire".to_owned();
        let shown = told(&request).join("\n");
        assert!(shown.contains("   /home/claire/\\u{202e}fdp.exe\n") && shown.contains("\\u{2067}claire"), "{shown}");
        assert!(!shown.contains(['\u{202e}', '\u{2067}']), "{shown}");
    }
}
