//! Generates Rust code: random interfaces, a server for each version, and the tests of both.

use std::fmt::Write as _;

/// The number of interfaces.
const INTERFACES: usize = 12;

/// Random numbers that are the same for each seed.
struct Random(fastrand::Rng);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit.max(1))
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// An interface. Versions are indices into its list.
struct Interface {
    name: String,
    versions: Vec<(u64, u64)>,
    methods: Vec<Method>,
}

struct Method {
    name: String,
    since: usize,
    /// Its name before a version.
    before: Option<(usize, String)>,
    arguments: Vec<Argument>,
}

struct Argument {
    name: String,
    since: usize,
    before: Option<(usize, String)>,
    form: Form,
}

/// The attribute of an argument.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// None: every caller passes it.
    Plain,
    /// Added later than its method.
    Later,
    /// Sent until a version. Whether the caller passes it.
    Until(usize, bool),
    Constant,
    /// Had another form before a version.
    Converted(usize),
}

/// Returns the code.
pub(crate) fn interfaces(seed: u64) -> String {
    let mut random = Random(fastrand::Rng::with_seed(seed));
    let mut code = String::new();
    for number in 0..INTERFACES {
        let interface = interface(&mut random, number);
        interface.write(&mut code).expect("a text takes everything");
    }
    code
}

fn interface(random: &mut Random, number: usize) -> Interface {
    let (older, newer) = (random.below(3) as u64, 1 + random.below(3) as u64);
    let previous = (0..=older).map(|minor| (1, minor)).filter(|_| number.is_multiple_of(3));
    let versions: Vec<_> = previous.chain((0..=newer).map(|minor| (2, minor))).collect();
    let methods = (0..1 + random.below(3)).map(|at| method(random, at, versions.len())).collect();
    Interface { name: format!("Random{number}"), versions, methods }
}

fn method(random: &mut Random, at: usize, versions: usize) -> Method {
    let since = if random.one_in(2) { 0 } else { random.below(versions) };
    let name = format!("m{at}");
    let before = before(random, &name, since, versions);
    let arguments = (0..random.below(6)).map(|at| argument(random, at, since, versions)).collect();
    Method { name, since, before, arguments }
}

fn argument(random: &mut Random, at: usize, method: usize, versions: usize) -> Argument {
    let name = format!("a{at}");
    let mut since = method;
    let later = method + 1 + random.below(versions);
    let is_there = later < versions;
    let form = match random.below(6) {
        1 if is_there => {
            since = later;
            Form::Later
        }
        2 if is_there => Form::Until(later, true),
        3 if is_there => Form::Until(later, false),
        4 => Form::Constant,
        5 if is_there => Form::Converted(later),
        _ => Form::Plain,
    };
    let before = match form {
        Form::Converted(_) => None,
        _ => before(random, &name, since, versions),
    };
    Argument { name, since, before, form }
}

fn before(
    random: &mut Random,
    name: &str,
    since: usize,
    versions: usize,
) -> Option<(usize, String)> {
    let version = since + 1 + random.below(versions);
    (version < versions && random.one_in(3)).then(|| (version, format!("{name}_old")))
}

/// Returns a name as of a version.
fn name_at<'n>(name: &'n str, before: &'n Option<(usize, String)>, version: usize) -> &'n str {
    match before {
        Some((ended, old)) if version < *ended => old,
        _ => name,
    }
}

impl Interface {
    fn version(&self, at: usize) -> String {
        let (major, minor) = self.versions[at];
        format!("{major}.{minor}")
    }

    fn marker(&self, at: usize) -> String {
        let (major, minor) = self.versions[at];
        format!("V{major}_{minor}")
    }

    fn module(&self) -> String {
        self.name.to_lowercase()
    }

    fn write(&self, code: &mut String) -> std::fmt::Result {
        writeln!(code, "mod {}_and_its_servers {{", self.module())?;
        writeln!(code, "use rpc_runtime::{{Context, rpc_api}};")?;
        writeln!(code, "use serde_json::{{Value, json}};")?;
        writeln!(code, "use crate::{{Echo, assert_got, at}};\n")?;
        self.write_trait(code)?;
        for at in 0..self.versions.len() {
            self.write_server(code, at)?;
        }
        self.write_test(code)?;
        writeln!(code, "}}\n")
    }

    /// Writes the newest version of the interface.
    fn write_trait(&self, code: &mut String) -> std::fmt::Result {
        let newest = self.version(self.versions.len() - 1);
        let previous = self.versions.iter().filter(|(major, _)| *major == 1).max();
        let previous = previous.map(|(_, minor)| format!(", previous(version = \"1.{minor}\")"));
        let previous = previous.unwrap_or_default();
        writeln!(code, "#[rpc_api(topic = \"random\", version = \"{newest}\"{previous})]")?;
        writeln!(code, "pub(crate) trait {} {{", self.name)?;
        for method in &self.methods {
            let mut said = vec![format!("since = \"{}\"", self.version(method.since))];
            if let Some((ended, name)) = &method.before {
                said.push(format!("before(\"{}\", name = \"{name}\")", self.version(*ended)));
            }
            writeln!(code, "    #[rpc({})]", said.join(", "))?;
            let arguments = method.arguments.iter().map(|argument| self.argument(argument));
            let arguments: String = arguments.collect();
            writeln!(
                code,
                "    async fn {}(&self, ctx: Context{arguments}) -> Value;",
                method.name
            )?;
        }
        writeln!(code, "}}\n")?;
        writeln!(code, "impl {} for Echo {{", self.name)?;
        for method in &self.methods {
            let types = method.arguments.iter().map(|argument| {
                let ty = if argument.is_optional() { "Option<u32>" } else { "u32" };
                format!(", {}: {ty}", argument.name)
            });
            let types: String = types.collect();
            let names = method.arguments.iter().map(|argument| argument.name.as_str());
            write_echo(code, &method.name, &types, names.map(|name| (name, name)))?;
        }
        writeln!(code, "}}\n")
    }

    /// Returns an argument as the newest version declares it.
    fn argument(&self, argument: &Argument) -> String {
        let mut said = Vec::new();
        match argument.form {
            Form::Plain => {}
            Form::Later => said.push(format!("since = \"{}\"", self.version(argument.since))),
            Form::Until(at, true) => said.push(format!("until = \"{}\"", self.version(at))),
            Form::Until(at, false) => {
                said.push(format!("until = \"{}\", value = Some(77)", self.version(at)));
            }
            Form::Constant => said.push("constant = 55".to_owned()),
            Form::Converted(at) => {
                said.push(format!("before(\"{}\", with = crate::spelt)", self.version(at)))
            }
        }
        if let Some((ended, name)) = &argument.before {
            said.push(format!("before(\"{}\", name = \"{name}\")", self.version(*ended)));
        }
        let said =
            if said.is_empty() { String::new() } else { format!("#[arg({})] ", said.join(", ")) };
        let ty = if argument.is_optional() { "Option<u32>" } else { "u32" };
        format!(", {said}{}: {ty}", argument.name)
    }

    /// Writes the interface as a server of one version had it, without what was added later.
    fn write_server(&self, code: &mut String, at: usize) -> std::fmt::Result {
        let name = format!("At{}", self.marker(at));
        writeln!(code, "#[rpc_api(topic = \"random\", version = \"{}\")]", self.version(at))?;
        writeln!(code, "pub(crate) trait {name} {{")?;
        let methods: Vec<_> = self.methods.iter().filter(|method| method.since <= at).collect();
        for method in &methods {
            let own = name_at(&method.name, &method.before, at);
            let types: String =
                method.known_at(at).map(|argument| argument.type_at(at, true)).collect();
            writeln!(code, "    async fn {own}(&self, ctx: Context{types}) -> Value;")?;
        }
        writeln!(code, "}}\n")?;
        writeln!(code, "impl {name} for Echo {{")?;
        for method in &methods {
            let own = name_at(&method.name, &method.before, at);
            let types: String =
                method.known_at(at).map(|argument| argument.type_at(at, false)).collect();
            let names = method.known_at(at).map(|argument| {
                (argument.name.as_str(), name_at(&argument.name, &argument.before, at))
            });
            write_echo(code, own, &types, names)?;
        }
        writeln!(code, "}}\n")
    }

    /// Writes a test: clients of each version call a server of that version and one of the newest.
    fn write_test(&self, code: &mut String) -> std::fmt::Result {
        writeln!(code, "#[tokio::test]")?;
        writeln!(code, "async fn what_a_cap_allows_is_taken_and_understood() {{")?;
        for at in 0..self.versions.len() {
            let (server, marker) = (format!("At{}Server", self.marker(at)), self.marker(at));
            let today = format!("{}Server", self.name);
            for (server, is_today) in [(server, false), (today, true)] {
                writeln!(code, "    let (transport, ctx) = at({server}::new(Echo));")?;
                let (client, module) = (format!("{}Client", self.name), self.module());
                writeln!(
                    code,
                    "    let client = {client}::new(&transport).version_cap::<{module}::{marker}>();"
                )?;
                let methods = self.methods.iter().filter(|method| method.since <= at);
                for method in methods.filter(|method| !is_today || method.is_read_today(at)) {
                    self.write_calls(code, method, at, is_today)?;
                }
                writeln!(code, "    let _ = (&client, &ctx);")?;
            }
        }
        writeln!(code, "}}")
    }

    /// Writes calls of a method: without optional arguments, with all of them, and with the proven
    /// ones.
    fn write_calls(
        &self,
        code: &mut String,
        method: &Method,
        at: usize,
        is_today: bool,
    ) -> std::fmt::Result {
        for (setters, all) in [("none", false), ("_or_drop", true), ("", true)] {
            let given = method.arguments.iter().filter(|argument| argument.is_given());
            let given: String = given.map(|argument| format!(", {}", argument.value())).collect();
            let mut call = format!("client.{}(&ctx{given})", method.name);
            let later = method.arguments.iter().filter(|argument| argument.form == Form::Later);
            for argument in
                later.filter(|argument| all && (!setters.is_empty() || argument.since <= at))
            {
                write!(call, ".{}{setters}({})", argument.name, argument.value())?;
            }
            let arguments = method.arguments.iter();
            let got: Vec<_> = arguments
                .filter(|argument| is_today || argument.is_known_at(at))
                .map(|argument| format!("\"{}\": {}", argument.name, argument.got(at, all)))
                .collect();
            let what = format!("{} {} as {} {setters}", self.name, method.name, self.version(at));
            writeln!(
                code,
                "    assert_got({what:?}, {call}.await, json!({{{}}}));",
                got.join(", ")
            )?;
        }
        Ok(())
    }
}

/// Writes a method that returns its arguments under their newest names.
fn write_echo<'n>(
    code: &mut String,
    method: &str,
    types: &str,
    names: impl Iterator<Item = (&'n str, &'n str)>,
) -> std::fmt::Result {
    let pairs: Vec<_> = names.map(|(today, own)| format!("\"{today}\": {own}")).collect();
    writeln!(code, "    async fn {method}(&self, _: Context{types}) -> Value {{")?;
    writeln!(code, "        json!({{{}}})", pairs.join(", "))?;
    writeln!(code, "    }}")
}

impl Method {
    /// Returns the arguments that servers of a version know.
    fn known_at(&self, at: usize) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(move |argument| argument.is_known_at(at))
    }

    /// Whether the newest server reads requests for that version. It does not if an argument had
    /// another form.
    fn is_read_today(&self, at: usize) -> bool {
        self.arguments.iter().all(|argument| match argument.form {
            Form::Converted(ended) => at >= ended,
            _ => true,
        })
    }
}

impl Argument {
    fn is_known_at(&self, at: usize) -> bool {
        self.since <= at && !matches!(self.form, Form::Until(ended, _) if at >= ended)
    }

    fn is_optional(&self) -> bool {
        matches!(self.form, Form::Later | Form::Until(..))
    }

    /// Whether every caller passes it.
    fn is_given(&self) -> bool {
        matches!(self.form, Form::Plain | Form::Until(_, true) | Form::Converted(_))
    }

    /// Returns the value that a caller passes. It differs for each argument of a method.
    fn value(&self) -> String {
        format!("{}_u32", self.name.trim_start_matches('a').parse::<u32>().map_or(0, |at| 100 + at))
    }

    /// Returns the parameter in a server of a version, for the signature of a trait or of its
    /// implementation.
    fn type_at(&self, at: usize, in_trait: bool) -> String {
        let own = name_at(&self.name, &self.before, at);
        match self.form {
            Form::Later if in_trait => format!(", #[arg(default)] {own}: Option<u32>"),
            Form::Later => format!(", {own}: Option<u32>"),
            Form::Converted(ended) if at < ended => format!(", {own}: String"),
            // An argument that every client sends is required.
            _ => format!(", {own}: u32"),
        }
    }

    /// Returns the value that a server receives from a client with that cap.
    fn got(&self, at: usize, all: bool) -> String {
        match self.form {
            Form::Later if !all || self.since > at => "null".to_owned(),
            Form::Until(ended, _) if at >= ended => "null".to_owned(),
            Form::Until(_, false) => "77".to_owned(),
            Form::Constant => "55".to_owned(),
            Form::Converted(ended) if at < ended => {
                format!("\"n{}\"", self.value().trim_end_matches("_u32"))
            }
            _ => self.value(),
        }
    }
}
