use stateright::Checker;
use stateward_model_tests::guards;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n = |i: usize| args[i].parse::<u8>().unwrap();
    let without = args.get(4).map(String::as_str);
    let scope = if args[1] == "races" { guards::races(n(2)) } else { guards::attacks(n(2), n(3)) };
    let start = std::time::Instant::now();
    let checker = guards::explore(scope, without);
    println!("{} unique, {} generated, depth {}, {:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), start.elapsed());
    println!("{:?}", checker.model().refusals());
    for (name, path) in checker.discoveries() {
        let p = checker.model().properties_named(name);
        println!("== {name} ({p})\n");
        if p { println!("{}", guards::trace(path)); }
    }
}
