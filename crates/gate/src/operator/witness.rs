//! `obhut-gate witness …`: a witness for the logs of other operators' vaults.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use obhut_log::{NoteKeyType, NoteSigner};
use obhut_sql::Db;
use obhut_suite::NoteKey;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::{WitnessInitArgs, WitnessServeArgs, WitnessTrustArgs};
use super::clock::system_edge;
use super::process::{lock, say, start_logging, stop_signal};
use super::{OperatorError, files};
use crate::GateError;
use crate::keys::{load_or_generate_seed, load_seed, make_folder};
use crate::witness::{self, KnownLog, Witness};

const CONFIG_FILE: &str = "witness.toml";
const KEY_FILE: &str = "witness.key";
const DATABASE: &str = "witness.sqlite";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessSettings {
    /// Name of the key, as in its cosignature lines.
    name: String,
    /// Where the witness listens.
    listen: SocketAddr,
    /// A `postgres://` URL or a SQLite file, relative to the data folder.
    #[serde(default = "default_database")]
    database: String,
}

fn default_database() -> String {
    DATABASE.to_owned()
}

/// Makes a data folder with the witness's key.
pub async fn witness_init(args: WitnessInitArgs) -> Result<String, OperatorError> {
    let data = &args.data;
    files::refuse_used(data, CONFIG_FILE)?;
    let settings = WitnessSettings {
        name: args.name,
        listen: args.listen,
        database: args.database.unwrap_or_else(default_database),
    };
    make_folder(data).map_err(|error| OperatorError::file(data, error))?;
    let seed = load_or_generate_seed(&data.join(KEY_FILE), &mut system_edge()?.rng())?;
    signer(&settings, NoteKey::from_seed(&seed))?;
    let text = toml::to_string(&settings).map_err(|e| OperatorError::Config(e.to_string()))?;
    files::create_file(&data.join(CONFIG_FILE), &text)?;
    let witness = open(data, &settings).await?;
    let key = witness.key().to_string();
    witness.close().await;
    Ok(format!(
        "The witness is made and knows no log yet.\n\n  Verifier key   {key}\n\n\
         Next:\n  \
           1. Tell the verifier key to whoever founds or renews a vault card (obhut found --witness KEY), and to the\n     \
              operator of the vault's server, with the address ([[witnesses]] in obhut.toml).\n  \
           2. Get the keys of the vault's logs (obhut-server log-keys) and check them with the agency, then:\n     \
              obhut-gate witness trust --data {data} KEY --below KEY\n  \
           3. Start:  obhut-gate witness serve --data {data}\n",
        data = data.display(),
    ))
}

/// Cosigns these logs from now on. The witness may be running.
pub async fn witness_trust(args: WitnessTrustArgs) -> Result<String, OperatorError> {
    let witness = open(&args.data, &load(&args.data)?).await?;
    let single = args.keys.iter().map(|text| (text, false));
    let families = args.below.iter().map(|text| (text, true));
    let mut report = String::new();
    for (text, below) in single.chain(families) {
        let key = text.parse().ok();
        let key = key.filter(|key: &obhut_log::VerifierKey| key.kind() == NoteKeyType::Log);
        let key = key.ok_or_else(|| OperatorError::LogKey(text.clone()))?;
        let log = KnownLog { key, below };
        witness.trust(&log).await?;
        let family = if below { "/…" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(report, "cosigns {}{family}", log.key.name());
    }
    witness.close().await;
    Ok(report)
}

/// Shows key, logs and sizes. The witness may be running.
pub async fn witness_status(data: &Path) -> Result<String, OperatorError> {
    let settings = load(data)?;
    let witness = open(data, &settings).await?;
    let mut report = format!(
        "Verifier key   {}\nListens on     {}\n",
        witness.key(),
        settings.listen
    );
    for known in witness.known_logs().await? {
        let family = if known.below { "/…" } else { "" };
        let _ = writeln!(report, "Knows          {}{family}", known.key.name());
    }
    for (origin, size) in witness.heads().await? {
        let _ = writeln!(report, "Cosigned       {origin} up to {size}");
    }
    witness.close().await;
    Ok(report)
}

/// Serves until SIGINT or SIGTERM.
pub async fn witness_serve(args: WitnessServeArgs) -> Result<String, OperatorError> {
    let settings = load(&args.data)?;
    let _lock = lock(&args.data)?;
    start_logging();
    let witness = Arc::new(open(&args.data, &settings).await?);
    let address = args.listen.unwrap_or(settings.listen);
    let listen = |source| OperatorError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let local = listener.local_addr().map_err(listen)?;
    say(&format!("The witness is ready at http://{local}\n"));
    let stopping = CancellationToken::new();
    let stop = stopping.clone().cancelled_owned();
    let serving = witness::serve(Arc::clone(&witness), listener, stop);
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => ended.map_err(listen)?,
        signal = stop_signal() => {
            signal?;
            stopping.cancel();
            serving.await.map_err(listen)?;
        }
    }
    witness.close().await;
    Ok("The witness has stopped.\n".to_owned())
}

fn load(data: &Path) -> Result<WitnessSettings, OperatorError> {
    let text = files::read_config(data, CONFIG_FILE, "witness init")?;
    toml::from_str(&text).map_err(|error| OperatorError::Config(error.to_string()))
}

fn signer(settings: &WitnessSettings, key: NoteKey) -> Result<NoteSigner, OperatorError> {
    NoteSigner::new(&settings.name, NoteKeyType::Cosigner, key).map_err(|_| {
        OperatorError::Config(
            "the name of a witness has no spaces and no +, for example witness.example/obhut"
                .to_owned(),
        )
    })
}

async fn open(data: &Path, settings: &WitnessSettings) -> Result<Witness, OperatorError> {
    let seed = load_seed(&data.join(KEY_FILE))?;
    let signer = signer(settings, NoteKey::from_seed(&seed))?;
    let place = super::settings::place(data, &settings.database);
    let db = Db::open(&place).await.map_err(GateError::from)?;
    Ok(Witness::open(db, signer, system_edge()?).await?)
}
