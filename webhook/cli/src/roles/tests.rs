use super::{Asked, RolesArgs, SetName};
use crate::args::{Command, Stateward};
use clap::Parser;

fn parsed(words: &str) -> Result<RolesArgs, String> {
    match Stateward::try_parse_from(["stateward", "roles"].into_iter().chain(words.split_whitespace())) {
        Ok(Stateward { command: Command::Roles(args) }) => Ok(args),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn asked(words: &str) -> Result<String, String> {
    parsed(words)?.asked().map(|asked| match asked {
        Asked::All(None) => "all".to_owned(),
        Asked::All(Some(namespace)) => format!("all of {namespace}"),
        Asked::One { namespace, name } => format!("{namespace}/{name}"),
    })
}

#[test]
fn a_set_is_named_with_its_namespace() {
    for (words, expected) in [
        ("", "all"),
        ("-n shop", "all of shop"),
        ("shop/ledger", "shop/ledger"),
        ("ledger -n shop", "shop/ledger"),
        ("shop/ledger --namespace shop", "shop/ledger"),
    ] {
        assert_eq!(asked(words), Ok(expected.to_owned()), "{words}");
    }
    for (words, said) in [
        ("ledger", "`ledger` says no namespace"),
        ("shop/ledger -n vault", "`shop/ledger` is not in `--namespace vault`"),
        ("shop/", "`shop/` names no set"),
        ("/ledger", "`/ledger` names no set"),
        ("sts/shop/ledger", "`sts/shop/ledger` names no set"),
    ] {
        let error = asked(words).unwrap_err();
        assert!(error.contains(said) && error.contains("hint: "), "{words}: {error}");
    }
}

#[test]
fn a_name_is_read_as_it_is_typed() {
    let name = SetName { namespace: Some("shop".to_owned()), name: "ledger".to_owned() };
    assert_eq!("shop/ledger".parse(), Ok(name));
}
