//! Random contracts and random changes: no change that is called safe breaks a peer, and every
//! change is reported.

use super::*;

/// A source of random numbers that repeats from run to run.
struct Random(fastrand::Rng);

impl Random {
    fn of(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit.max(1))
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn version(&mut self, newest: Version) -> Version {
        let newest_minor = usize::try_from(newest.minor()).unwrap_or(0);
        Version::new(newest.major(), self.below(newest_minor + 1) as u64)
    }

    /// Returns a version after `since`, if the random one is later.
    fn after(&mut self, since: Version, newest: Version) -> Option<Version> {
        let version = self.version(newest);
        (version > since).then_some(version)
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const TYPES: [&str; 3] = ["String", "u32", "Option<u8>"];

fn contract(random: &mut Random) -> Contract {
    let newest = Version::new(2, random.below(4) as u64);
    let mut contract: Contract =
        format!("interface R\nversion {newest}\ntopic \"r\"").parse().expect("a contract");
    for name in NAMES.into_iter().take(1 + random.below(3)) {
        contract.methods.push(method(random, name, newest));
    }
    if random.one_in(4) {
        contract.send.push(Version::new(2, 0));
    }
    canonical(contract)
}

/// Sorts the methods as a contract does.
fn canonical(mut contract: Contract) -> Contract {
    contract.methods.sort_by(|one, other| (one.since, &one.name).cmp(&(other.since, &other.name)));
    contract
}

fn method(random: &mut Random, name: &str, newest: Version) -> Signature {
    let since = random.version(newest);
    let kind = [Kind::Call, Kind::Cast, Kind::Fanout][random.below(3)];
    let names = NAMES.into_iter().take(random.below(4));
    let arguments = names.map(|name| argument(random, name, since, newest)).collect();
    Signature {
        name: name.to_owned(),
        since,
        kind,
        either: false,
        host: random.one_in(4),
        host_from: String::new(),
        topic: None,
        send: random.one_in(4).then(|| random.version(newest)),
        ignores_extra: random.one_in(6),
        aliases: if random.one_in(4) { vec![format!("{name}_alias")] } else { Vec::new() },
        before: was(random, &format!("{name}_old"), since, newest),
        arguments,
        reply: if kind == Kind::Call { random.pick(&TYPES).to_owned() } else { String::new() },
    }
}

fn was(random: &mut Random, name: &str, since: Version, newest: Version) -> Vec<Was> {
    let version = random.after(since, newest).filter(|_| random.one_in(3));
    let was = |version| Was { version, name: name.to_owned(), send: None, is_converted: false };
    version.map(was).into_iter().collect()
}

/// Returns an argument as the macro accepts one: a server does not require what a client may omit.
fn argument(random: &mut Random, name: &str, method: Version, newest: Version) -> Argument {
    let since = random.after(method, newest).filter(|_| random.one_in(2));
    let until = random.after(since.unwrap_or(method), newest).filter(|_| random.one_in(4));
    let is_later = since.is_some() || until.is_some();
    Argument {
        name: name.to_owned(),
        type_name: random.pick(&TYPES).to_owned(),
        since,
        until,
        before: was(random, &format!("{name}_old"), since.unwrap_or(method), newest),
        required: !is_later && random.one_in(2),
        constant: String::new(),
        with: String::new(),
        is_rest: false,
    }
}

/// Changes a contract at random, with or without regard for the rules.
fn changed(random: &mut Random, old: &Contract) -> Contract {
    let mut new = old.clone();
    if random.one_in(2) {
        new.version = Version::new(2, new.version.minor() + 1);
    }
    for _ in 0..=random.below(3) {
        let (newest, at) = (new.version, random.below(new.methods.len()));
        if new.methods.is_empty() || random.one_in(5) {
            let name = random.pick(&["x", "y", "a_old", "b_alias"]);
            let added = method(random, name, newest);
            if new
                .methods
                .iter()
                .all(|other| !added.answers_to(&other.name) && !other.answers_to(name))
            {
                new.methods.push(added);
            }
            continue;
        }
        if random.one_in(8) {
            new.methods.remove(at);
            continue;
        }
        change(random, &mut new.methods[at], newest);
    }
    canonical(new)
}

fn change(random: &mut Random, method: &mut Signature, newest: Version) {
    let at = random.below(method.arguments.len());
    match random.below(10) {
        0 => method.since = random.version(newest),
        1 => rename(random, &mut method.name, &mut method.before, method.since, newest),
        2 => method.aliases.clear(),
        3 => method.send = random.one_in(2).then(|| random.version(newest)),
        4 => method.ignores_extra = !method.ignores_extra,
        5 => {
            let added = argument(random, random_name(newest), method.since, newest);
            if method.arguments.iter().all(|other| other.name != added.name) {
                method.arguments.push(added);
            }
        }
        6 if !method.arguments.is_empty() => _ = method.arguments.remove(at),
        7 if !method.arguments.is_empty() => {
            let argument = &mut method.arguments[at];
            let came = argument.since.unwrap_or(method.since);
            rename(random, &mut argument.name, &mut argument.before, came, newest);
        }
        8 if !method.arguments.is_empty() => {
            let fresh = argument(random, &method.arguments[at].name.clone(), method.since, newest);
            method.arguments[at] = fresh;
        }
        _ if !method.arguments.is_empty() => {
            let argument = &mut method.arguments[at];
            if random.one_in(2) && argument.since.is_none() && argument.until.is_none() {
                argument.required = !argument.required;
            } else if let Some(until) = random.after(argument.since.unwrap_or(method.since), newest)
            {
                (argument.until, argument.required) = (Some(until), false);
            }
        }
        _ => {}
    }
}

fn random_name(newest: Version) -> &'static str {
    NAMES[usize::try_from(newest.minor()).unwrap_or(0) % NAMES.len()]
}

/// Renames something, and records the old name or not.
fn rename(
    random: &mut Random,
    name: &mut String,
    before: &mut Vec<Was>,
    came: Version,
    newest: Version,
) {
    let old = std::mem::replace(name, format!("{name}_new"));
    if newest > came && random.one_in(2) && before.iter().all(|was| was.version < newest) {
        before.push(Was { version: newest, name: old, send: None, is_converted: false });
    }
}

/// Returns the first request that a change breaks: of deployed clients to new servers, or of new
/// clients to deployed servers.
fn broken(old: &Contract, new: &Contract) -> Option<String> {
    for minor in 0..=old.version.minor() {
        let cap = Version::new(2, minor);
        for form in old.requests(cap) {
            if let Err(why) = new.takes(&form) {
                return Some(format!("a client of {cap}: {form:?}: {why}"));
            }
        }
        for form in new.requests(cap) {
            // For a server as old as the cap allows.
            if let Err(why) = old.takes(&form) {
                return Some(format!(
                    "a server of {}, capped at {cap}: {form:?}: {why}",
                    old.version
                ));
            }
        }
    }
    None
}

#[test]
fn no_change_is_called_safe_that_breaks_a_peer() {
    let (mut safe, mut breaking) = (0, 0);
    for seed in 0..20_000 {
        let mut random = Random::of(seed);
        let old = contract(&mut random);
        let new = changed(&mut random, &old);
        let changes = compare(&old, &new);
        assert_eq!(
            changes.is_empty(),
            old == new,
            "seed {seed}: nothing goes untold\n{old}\n{new}"
        );
        let breaks = changes.iter().any(Change::breaks);
        if let (Some(broken), false) = (broken(&old, &new), breaks) {
            panic!("seed {seed}: {broken}\n{changes:#?}\n{old}\n{new}");
        }
        if breaks { breaking += 1 } else { safe += usize::from(old != new) }
    }
    assert!(safe > 1000 && breaking > 1000, "{safe} safe, {breaking} breaking");
}

#[test]
fn every_contract_is_read_back_as_it_was_written() {
    for seed in 0..2_000 {
        let contract = contract(&mut Random::of(seed));
        assert_eq!(contract.to_string().parse(), Ok(contract), "seed {seed}");
    }
}

/// Returns a contract as it was at a version: without later items, and with the forms of that time.
fn cut_down(contract: &Contract, version: Version) -> Contract {
    let name_at = |name: &str, before: &[Was]| {
        let was = before.iter().find(|was| was.version > version);
        was.map_or_else(|| name.to_owned(), |was| was.name.clone())
    };
    let mut cut = Contract { version, ..contract.clone() };
    cut.methods.retain(|method| method.since <= version);
    for method in &mut cut.methods {
        method.name = name_at(&method.name, &method.before);
        (method.before, method.aliases) = (Vec::new(), Vec::new());
        method.arguments.retain(|argument| {
            argument.since.is_none_or(|since| since <= version)
                && argument.until.is_none_or(|until| until > version)
        });
        for argument in &mut method.arguments {
            argument.name = name_at(&argument.name, &argument.before);
            argument.before = Vec::new();
            argument.required = argument.since.is_none();
        }
    }
    cut
}

#[test]
fn what_a_client_sends_under_a_cap_is_taken_by_a_server_of_that_version() {
    let mut taken = 0;
    for seed in 0..5_000 {
        let mut contract = contract(&mut Random::of(seed));
        // A version fixed by hand may be newer than an old server serves; that is its purpose.
        contract.send.clear();
        contract.methods.iter_mut().for_each(|method| method.send = None);
        for minor in 0..=contract.version.minor() {
            let cap = Version::new(2, minor);
            let server = cut_down(&contract, cap);
            for form in contract.requests(cap) {
                let verdict = server.takes(&form);
                assert_eq!(verdict, Ok(()), "seed {seed}, {cap}: {form:?}\n{contract}");
                taken += 1;
            }
        }
    }
    assert!(taken > 10_000, "{taken}");
}
