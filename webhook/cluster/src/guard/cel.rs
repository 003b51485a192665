//! Pieces of CEL that cannot fail.

/// A field, or something else where it or what holds it is absent.
pub(super) fn or_else(of: &str, path: &str, otherwise: &str) -> String {
    format!("{} ? {of}.{path} : {otherwise}", present(of, path))
}

/// That a field is there, and all that holds it.
pub(super) fn present(of: &str, path: &str) -> String {
    let mut place = of.to_owned();
    let mut all = vec![format!("{of} != null")];
    for field in path.split('.') {
        place = format!("{place}.{field}");
        // Every object has one.
        if field != "metadata" || place != format!("{of}.metadata") {
            all.push(format!("has({place})"));
        }
    }
    all.join(" && ")
}

/// A list of strings.
pub(super) fn list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// A CEL string. Account names are an administrator's text.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        match letter {
            '\\' | '\'' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}
