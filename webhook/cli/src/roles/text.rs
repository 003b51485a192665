//! For people: a line for each set, or one set in full.

use std::io::{self, Write};

use stateward_cluster::roles::{Endpoints, Look, Member, PodState, ServiceView, SetView, Stamp, Unread};

use crate::exit::{ERROR, NOTE};

/// A line for each set.
pub(super) fn write_all(seen: &Look, out: &mut dyn Write) -> io::Result<()> {
    if seen.sets.is_empty() && seen.unread.is_empty() {
        return writeln!(out, "no StatefulSet has joined the manager contract by `stateward.dev/writes: manager-only`");
    }
    if !seen.sets.is_empty() {
        let mut rows = vec![["SET", "MANAGER", "READY", "UNSTAMPED", "WRITE SERVICE", "STATE"].map(str::to_owned)];
        rows.extend(seen.sets.iter().map(|set| line(set, seen)));
        write_table(&rows, out)?;
    }
    write_unread(&seen.unread, out)?;
    if let Some(set) = seen.sets.iter().find(|set| !set.problems.is_empty()) {
        writeln!(out, "\n{NOTE}hint{NOTE:#}: `stateward roles {}` says what is wrong and how to mend it", set.path())?;
    }
    Ok(())
}

/// One set in full.
pub(super) fn write_one(seen: &Look, out: &mut dyn Write) -> io::Result<()> {
    for set in &seen.sets {
        write_set(set, out)?;
        write_unread(&seen.unread, out)?;
        write_problems(set, !seen.unread.is_empty(), out)?;
    }
    Ok(())
}

fn line(set: &SetView, seen: &Look) -> [String; 6] {
    let is_unread = seen.unread.iter().any(|unread| unread.namespace == set.namespace);
    let state = match (set.problems.len(), is_unread) {
        (0, false) => "ok".to_owned(),
        (0, true) => "unknown".to_owned(),
        (1, _) => "1 problem".to_owned(),
        (more, _) => format!("{more} problems"),
    };
    let services = set.write_services.as_ref().map(|services| {
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(",") }
    });
    [
        set.path(),
        set.manager.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{}/{}", known(set.ready), set.replicas),
        known(set.unstamped),
        services.unwrap_or_else(|| "?".to_owned()),
        state,
    ]
}

fn write_set(set: &SetView, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "StatefulSet {}", set.path())?;
    writeln!(out, "writes         {}", set.writes.as_deref().unwrap_or("not declared"))?;
    if let Some(manager) = &set.manager {
        let pod = set.members.as_ref().map(|members| members.iter().find(|member| member.name == *manager));
        let state = match pod {
            None => "unknown".to_owned(),
            Some(None) => "does not exist".to_owned(),
            Some(Some(member)) => match (&member.node, member.state) {
                (_, PodState::Absent) => "does not exist".to_owned(),
                (Some(node), state) => format!("{} on {node}", word(state)),
                (None, state) => word(state).to_owned(),
            },
        };
        writeln!(out, "manager        {manager}, {state}")?;
    }
    writeln!(out, "members        {} of {} ready, {} unstamped", known(set.ready), set.replicas, known(set.unstamped))?;
    match &set.write_services {
        None => writeln!(out, "write Service  unknown")?,
        Some(services) if services.is_empty() => writeln!(out, "write Service  none")?,
        Some(services) => {
            for service in services {
                writeln!(out, "write Service  {} -> {}", service.name, places(service))?;
            }
        }
    }
    if let Some(members) = set.members.as_ref().filter(|members| !members.is_empty()) {
        writeln!(out)?;
        let mut rows = vec![["MEMBER", "ROLE", "WRITE", "STAMPED", "NODE", "STATE"].map(str::to_owned)];
        rows.extend(members.iter().map(member_line));
        write_table(&rows, out)?;
    }
    Ok(())
}

fn member_line(member: &Member) -> [String; 6] {
    let stamp = match member.stamp {
        None => "-",
        Some(Stamp::Right) => "yes",
        Some(Stamp::Missing) => "no",
        Some(Stamp::Adopted) => "as adopted",
        Some(Stamp::Wrong) => "wrongly",
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        member.name.clone(),
        or_none(&member.role),
        or_none(&member.write),
        stamp.to_owned(),
        or_none(&member.node),
        word(member.state).to_owned(),
    ]
}

/// Where a Service leads now.
fn places(service: &ServiceView) -> String {
    let Some(endpoints) = &service.endpoints else { return "unknown".to_owned() };
    let place = |endpoint: &Endpoints| {
        let name = endpoint.pod.clone().unwrap_or_else(|| endpoint.addresses.join(","));
        if endpoint.ready { name } else { format!("{name} (not ready)") }
    };
    let places: Vec<String> = endpoints.iter().map(place).collect();
    if places.is_empty() { "nobody".to_owned() } else { places.join(", ") }
}

fn write_problems(set: &SetView, is_partial: bool, out: &mut dyn Write) -> io::Result<()> {
    for (number, problem) in (1..).zip(&set.problems) {
        writeln!(
            out,
            "\n{number}. {ERROR}problem{ERROR:#}: {}\n   {NOTE}hint{NOTE:#}: {}",
            problem.message, problem.hint
        )?;
    }
    match (set.problems.is_empty(), is_partial) {
        (true, false) => writeln!(out, "\nnothing is wrong"),
        (true, true) => writeln!(out, "\nnothing is wrong in what could be read"),
        (false, _) => Ok(()),
    }
}

fn write_unread(unread: &[Unread], out: &mut dyn Write) -> io::Result<()> {
    if unread.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for Unread { namespace, resource } in unread {
        writeln!(out, "not read: you may not list `{resource}` in `{namespace}`")?;
    }
    writeln!(out, "{NOTE}hint{NOTE:#}: the ClusterRole `view` allows it")
}

/// Columns as wide as they need to be.
fn write_table<const N: usize>(rows: &[[String; N]], out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn known(count: Option<usize>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

fn word(state: PodState) -> &'static str {
    match state {
        PodState::Absent => "absent",
        PodState::Terminating => "terminating",
        PodState::Unready => "not ready",
        PodState::Ready => "ready",
    }
}
