//! The cases of every family say exactly the same in Wasm as natively: rule by rule, profile by profile, word by word.

use std::borrow::Cow;

use stateward_cases::Bind;
use stateward_core::inventory::BoxFuture;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::resources::WasmPolicy;
use stateward_engine::{Engine, EngineOptions, FetchError, PolicyLoader};
use stateward_native::NativeBinder;
use stateward_rules_tests::{case_files, run_all};
use stateward_tests::cache;

struct Wasm(PolicyLoader);

impl Bind for Wasm {
    fn bind<'a>(&'a self, policy: &'a WasmPolicy) -> BoxFuture<'a, Result<Policy, Vec<SpecError>>> {
        Box::pin(self.0.bind_alone(policy, &fetch))
    }
}

fn fetch(reference: &str) -> Result<Cow<'static, [u8]>, FetchError> {
    let name = reference.strip_prefix("builtin:").unwrap();
    Ok(Cow::Borrowed(stateward_builtin::component(name).unwrap()))
}

/// To be called on a runtime.
fn in_wasm() -> Wasm {
    Wasm(PolicyLoader::new(Engine::new(EngineOptions { cache: Some(cache()), ..EngineOptions::default() }).unwrap()))
}

#[test]
fn every_case_says_the_same_in_wasm() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let (wasm, native) = (in_wasm(), NativeBinder::default());
    let files = case_files();
    let in_wasm = runtime.block_on(run_all(&files, &wasm)).unwrap();
    let natively = runtime.block_on(run_all(&files, &native)).unwrap();
    assert!(in_wasm.len() > 300, "there are only {} cases", in_wasm.len());
    let mut wrong = Vec::new();
    for (wasm, native) in in_wasm.iter().zip(&natively) {
        wrong.extend(wasm.complaint());
        if wasm.result.runs != native.result.runs || wasm.result.outcome != native.result.outcome {
            let place = format!("{}:{}: {}", wasm.file.data.file, wasm.case.position.line, wasm.case.name);
            wrong.push(format!("{place}\nin Wasm: {:#?}\nnatively: {:#?}", wasm.result.runs, native.result.runs));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A setting that the component's schema refuses is an error at its line, whoever runs the rules.
#[test]
fn a_bad_setting_is_refused_in_wasm_as_natively() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let (wasm, native) = (in_wasm(), NativeBinder::default());
    let text = "rule: remote-volumes/local-class\nobject: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {}}\ncases:\n\
                - {name: unknown, settings: {drivers: []}}\n- {name: wrong type, settings: {localDrivers: [a]}}\n";
    let files = stateward_cases::read_text("cases.yaml", text.to_owned());
    for bind in [&wasm as &dyn Bind, &native] {
        let ran = runtime.block_on(run_all(&files, bind)).unwrap();
        let complaints: Vec<String> = ran.iter().filter_map(|ran| ran.complaint()).collect();
        assert!(
            complaints[0].contains("cases.yaml:4:39: `cases[0].settings.drivers`: there is no setting `drivers`"),
            "{}",
            complaints[0]
        );
        // Natively the component alone reads the settings, and says what is wrong of them as a whole.
        assert!(
            complaints[1].contains("cases.yaml:5:") && complaints[1].contains("`cases[1].settings"),
            "{}",
            complaints[1]
        );
    }
}
