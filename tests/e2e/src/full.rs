//! A vault on PostgreSQL and S3 with a gatekeeper and a witness in processes of their own, all reached where the test
//! wants them to be reached.

use crate::agency::files_below;
use crate::stack::temporary;
use crate::{Databases, Gatekeeper, Stack, Witness, fingerprint};

/// Where two parts of the full stack speak to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Border {
    /// Clients and the server.
    Client,
    /// The server and its database.
    Database,
    /// The server and the object store.
    Objects,
    /// The server and the gatekeeper.
    Gate,
    /// The server and the witness.
    Witness,
    /// The gatekeeper and its first store.
    GateDatabase,
}

impl Border {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Client,
        Self::Database,
        Self::Objects,
        Self::Gate,
        Self::Witness,
        Self::GateDatabase,
    ];
}

/// For each border, where the part that is `host:port` is to be looked for.
pub type Routes<'a> = &'a mut dyn FnMut(Border, &str) -> String;

/// The variable with `http://ACCESS:SECRET@HOST:PORT/BUCKET`.
const STORE: &str = "OBHUT_TEST_S3";

impl Stack {
    /// Starts the full stack with nothing in between; `None`, and a printed line, without PostgreSQL or S3 for tests.
    pub fn start_full() -> Option<Self> {
        Self::start_full_through(Databases::make()?, &mut |_, address| address.to_owned())
    }

    /// As [`Stack::start_full`] with these databases and each part where `routes` says. The border of the clients is asked
    /// for last; whoever wants profiles to take it sends them there ([`Stack::redirect`]).
    pub fn start_full_through(databases: Databases, routes: Routes<'_>) -> Option<Self> {
        let store = test_store()?;
        let gate_database = reroute(databases.gate(), Border::GateDatabase, routes);
        let stores = ["--database", &gate_database, "--mirror", databases.mirror()];
        let gatekeeper = Gatekeeper::start(&stores);
        let witness = Witness::start("witness.example/w1");
        let folder = temporary();
        let data = folder.path().join("vault");
        let database = folder.path().join("database-url");
        std::fs::write(
            &database,
            reroute(databases.vault(), Border::Database, routes),
        )
        .unwrap();
        let gate = reroute(&gatekeeper.url, Border::Gate, routes);
        let init = [
            "--database-file",
            database.to_str().unwrap(),
            "--gate",
            &gate,
            "--gate-fingerprint",
            &gatekeeper.fingerprint,
        ];
        let mut stack = Self::make(folder, data, None, &init);
        let settings = stack.store_settings(&store, routes) + &witness_settings(&witness, routes);
        let code = gatekeeper.enrol(&fingerprint(&stack.printed));
        let code = stack.write("gate-code", code.as_bytes());
        stack.founding = [
            "--gate-code",
            code.to_str().unwrap(),
            "--witness",
            &witness.key,
        ]
        .map(str::to_owned)
        .into();
        stack.append_settings(&settings);
        stack.databases = Some(databases);
        stack.gatekeeper = Some(gatekeeper);
        stack.serve("127.0.0.1:0");
        // The vault has its keys from its first start on.
        let keys = stack.server(&["log-keys"]).ok();
        witness.trust(&keys);
        stack.witness = Some(witness);
        let _ = reroute(&stack.url, Border::Client, routes);
        Some(stack)
    }

    /// As [`Stack::start`] with the capsules on S3, which the server looks for where `routes` says; `None`, and a printed
    /// line, without S3 for tests.
    pub fn start_on_s3(routes: Routes<'_>) -> Option<Self> {
        let store = test_store()?;
        let folder = temporary();
        let data = folder.path().join("vault");
        let mut stack = Self::make(folder, data, None, &[]);
        let settings = stack.store_settings(&store, routes);
        stack.append_settings(&settings);
        stack.serve("127.0.0.1:0");
        Some(stack)
    }

    /// The capsules in a bucket, below a prefix of this stack's own.
    fn store_settings(&self, store: &str, routes: Routes<'_>) -> String {
        let [host, bucket, access, secret] = xtask::seaweed::parts(store).unwrap();
        let access = self.write("s3-access", access.as_bytes());
        let secret = self.write("s3-secret", secret.as_bytes());
        let prefix = self.folder().file_name().unwrap().to_str().unwrap();
        format!(
            "\n[objects.s3]\nendpoint = \"http://{}\"\nbucket = \"{bucket}\"\nprefix = \"{prefix}/\"\n\
             access_key_file = \"{}\"\nsecret_key_file = \"{}\"\nchecksum = \"crc64nvme\"\n",
            routes(Border::Objects, host),
            access.display(),
            secret.display()
        )
    }

    /// What the operators of vault, gatekeeper and witness have in files: data, keys and logs.
    pub fn operators_files(&self) -> Vec<std::path::PathBuf> {
        let gatekeeper = self
            .gatekeeper
            .as_ref()
            .map(|gate| gate.folder().to_owned());
        let witness = self.witness.as_ref().map(Witness::data);
        let mut files = vec![self.folder().join("server.log")];
        for folder in [Some(self.data()), gatekeeper, witness]
            .into_iter()
            .flatten()
        {
            files.extend(files_below(&folder));
        }
        files
    }
}

fn test_store() -> Option<String> {
    let store = std::env::var(STORE);
    if store.is_err() {
        eprintln!("skipped on S3: {STORE} is not set");
    }
    store.ok()
}

fn witness_settings(witness: &Witness, routes: Routes<'_>) -> String {
    let url = reroute(&witness.url, Border::Witness, routes);
    format!(
        "\n[[witnesses]]\nurl = \"{url}\"\nkey = \"{}\"\n",
        witness.key
    )
}

/// The URL with another host and port.
fn reroute(url: &str, border: Border, routes: Routes<'_>) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (account, rest) = match rest.split_once('@') {
        Some((account, rest)) => (format!("{account}@"), rest),
        None => (String::new(), rest),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (address, path) = rest.split_at(end);
    format!("{scheme}://{account}{}{path}", routes(border, address))
}
