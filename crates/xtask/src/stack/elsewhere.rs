//! Gatekeeper and witness, run by operators of their own.

use super::background::Background;
use super::stage::Stage;
use crate::run::Result;

const GATE: &str = "obhut-gate";
const WITNESS_NAME: &str = "witness.example/demo";

/// The two, and what their operators read out by telephone.
pub(crate) struct Elsewhere {
    pub(crate) gatekeeper: Background,
    pub(crate) fingerprint: String,
    pub(crate) witness: Background,
    pub(crate) witness_key: String,
}

impl Elsewhere {
    /// Makes and starts both, each in a folder of its own.
    pub(crate) fn start(stage: &mut Stage) -> Result<Self> {
        stage.step("Another operator runs the gatekeeper, in a process of its own with databases of its own. Its fingerprint is read out by telephone.");
        let stores = stage.services().gate_arguments();
        let mut init = vec!["init", "--data", "gate/data"];
        init.extend(stores.iter().map(String::as_str));
        let made = stage.program(GATE, &init)?;
        let fingerprint = word(&made, |word| word.matches('-').count() == 13)?;
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data", "gate/data"];
        let gatekeeper = stage.background(GATE, &serve, "gate/gate.log")?;

        stage.step("A third runs a witness. It sees heads of logs, and cosigns each only as a continuation of the one before.");
        let init = [
            "witness",
            "init",
            "--name",
            WITNESS_NAME,
            "--data",
            "witness/data",
        ];
        let made = stage.program(GATE, &init)?;
        let witness_key = word(&made, |word| word.starts_with(WITNESS_NAME))?;
        let serve = [
            "witness",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            "witness/data",
        ];
        let witness = stage.background(GATE, &serve, "witness/witness.log")?;
        Ok(Self {
            gatekeeper,
            fingerprint,
            witness,
            witness_key,
        })
    }

    /// The section of the vault's configuration that names the witness.
    pub(crate) fn section(&self) -> String {
        format!(
            "\n[[witnesses]]\nurl = \"{}\"\nkey = \"{}\"\n",
            self.witness.url, self.witness_key
        )
    }
}

/// The gatekeeper's operator makes a code for the founder, the witness's operator trusts the vault's logs. `printed` is
/// what `obhut-server init` said, `keys` what `log-keys` did.
pub(crate) fn admit(stage: &mut Stage, printed: &str, keys: &str) -> Result<()> {
    stage.step("The gatekeeper's operator makes a one-time code for the founder; the witness's operator lets the vault's logs in.");
    let server = word(printed, |word| word.matches('-').count() == 13)?;
    let enrol = ["enrol", "--data", "gate/data", "--server", &server];
    let enrolled = stage.program(GATE, &enrol)?;
    let code = word(&enrolled, |word| word.matches('-').count() == 12)?;
    stage.write("gate-code", code.as_bytes())?;
    let keys: Vec<&str> = keys.split('\'').skip(1).step_by(2).collect();
    let [records, access] = keys.as_slice() else {
        return Err(format!("log-keys printed {} keys, not two", keys.len()));
    };
    let trust = [
        "witness",
        "trust",
        "--data",
        "witness/data",
        records,
        "--below",
        access,
    ];
    stage.program(GATE, &trust)?;
    stage.show(
        "   Code and keys go by telephone or on paper, past the network that is being set up.",
    );
    Ok(())
}

fn word(text: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
    let found = text.split_whitespace().find(|word| fits(word));
    found
        .map(str::to_owned)
        .ok_or_else(|| "the program did not print what the next step needs".to_owned())
}
