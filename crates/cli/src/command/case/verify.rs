use obhut_client::assurance::assurance_sentence;
use obhut_client::{ActKind, CaseCheck, ClientError};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::ids::CaseName;
use crate::output::Report;
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;

/// Check that what the vault shows of a case is what the records log says
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut case verify case_… --objects")]
pub(crate) struct Args {
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
    /// Also read every stored object and recompute the content root its author signed
    #[arg(long)]
    objects: bool,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

struct Verified {
    check: CaseCheck,
    assurance: &'static str,
}

impl Serialize for Verified {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let check = &self.check;
        let problems = check
            .problems
            .iter()
            .map(|problem| json!({"document": problem.document.to_string(), "text": problem.text}));
        json!({
            "case": check.case.to_string(),
            "documents": check.documents,
            "objects": check.objects,
            "object_bytes": check.object_bytes,
            "records_size": check.records_size,
            "state_root": check.state_root_text(),
            "problems": problems.collect::<Vec<_>>(),
        })
        .serialize(serializer)
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let check = &self.check;
        let mut lines = vec![self.assurance.to_owned()];
        if check.problems.is_empty() {
            lines.push(format!(
                "{} documents: the vault shows exactly what the records log says.",
                check.documents
            ));
        }
        if check.objects > 0 {
            lines.push(format!(
                "{} objects, {} bytes: each has the content root its author signed.",
                check.objects, check.object_bytes
            ));
        }
        lines.push(format!("State root   {}", check.state_root_text()));
        lines.push(format!("Records log  {} entries", check.records_size));
        for problem in &check.problems {
            lines.push(format!("  {}: {}", problem.document, problem.text));
        }
        lines.join("\n")
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let reason = args.reason.reason(ActKind::ListDocuments);
    let case = args.case.find(&mut vault).await?;
    let check = vault.verify_case(case, args.objects, reason).await?;
    let wrong = check.problems.len();
    context.output.report(&Verified {
        check,
        assurance: assurance_sentence(vault.card().assurance),
    })?;
    if wrong > 0 {
        let text = format!("{wrong} documents of the case do not verify");
        return Err(ClientError::Integrity(text).into());
    }
    Ok(())
}
