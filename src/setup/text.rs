//! For a person: what is made, under headings; each artefact unbroken and from the first column on.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::{Options, wrap};

use super::Artefacts;
use crate::cli::Artefact;

const WIDTH: usize = 90;
const STRONG: Style = Style::new().bold();

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, made: &Artefacts<'_>) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}", title(made))?;
    out.write_all(about(made).as_bytes())?;
    for (heading, about, artefact) in sections(made) {
        let rule = "─".repeat(WIDTH.saturating_sub(heading.chars().count() + 4));
        writeln!(out, "\n── {STRONG}{heading}{STRONG:#} {rule}")?;
        out.write_all(paragraph("", &about).as_bytes())?;
        if !artefact.is_empty() {
            write!(out, "\n{artefact}")?;
        }
    }
    Ok(())
}

/// What was written, and what to do with it.
///
/// # Errors
/// The writer's.
pub fn write_written(out: &mut impl Write, made: &Artefacts<'_>, files: &[String]) -> io::Result<()> {
    for file in files {
        writeln!(out, "wrote {file}")?;
    }
    for missing in &made.missing {
        writeln!(out, "to fill in: {} ({})", missing.placeholder, missing.flag)?;
    }
    Ok(())
}

fn title(made: &Artefacts<'_>) -> String {
    let target = made.target;
    format!("Setting up {} at {} for ClickPipes with IAM", target.source_type.name(), target.sign)
}

fn about(made: &Artefacts<'_>) -> String {
    let target = made.target;
    let mut text = format!("replication_mode = {}, user {}\n", made.mode(), target.user);
    for (i, missing) in made.missing.iter().enumerate() {
        if i == 0 {
            text += "\nTo fill in, where it stands marked:\n";
        }
        let flag = missing.flag;
        text += &format!("  {}\n", missing.placeholder);
        text += &paragraph(
            "    ",
            &format!("{}; {flag} gives it{}", missing.what, prints(missing.command.is_some())),
        );
        if let Some(command) = &missing.command {
            text += &format!("    {command}\n");
        }
    }
    for (i, remark) in made.remarks.iter().enumerate() {
        if i == 0 {
            text += "\nTo know:\n";
        }
        text += &wrapped("  - ", "    ", remark);
    }
    text
}

fn prints(command: bool) -> &'static str {
    if command { ", and this prints it:" } else { "" }
}

fn sections(made: &Artefacts<'_>) -> Vec<(&'static str, String, String)> {
    let owned = str::to_owned;
    vec![
        (
            "Trust policy of the access role (trust-policy.json)",
            owned("Who may assume it, with session tags, which ClickPipes' sessions carry."),
            made.text_of(Artefact::TrustPolicy),
        ),
        (
            "Policy of the access role (rds-connect-policy.json)",
            owned("What it may do: log in to this database as this user, and nothing else."),
            made.text_of(Artefact::ConnectPolicy),
        ),
        ("SQL (setup.sql)", owned("The user and what it may do in the database."), made.sql.clone()),
        ("Parameters (parameters.json)", table(made), String::new()),
        (
            "Steps in AWS (aws.sh)",
            owned("In order; a script for bash and the AWS CLI, which can be pasted in parts."),
            made.steps.clone(),
        ),
        ("See that it works", owned("Before the pipe is created:"), format!("{}\n", made.check)),
        (
            "Terraform, AWS (aws.tf)",
            owned("Instead of the policies, the parameters and the steps above."),
            made.aws_tf.clone(),
        ),
        (
            "Terraform, the pipe (clickpipe.tf)",
            owned("Once all of the above is there."),
            made.clickpipe_tf.clone(),
        ),
    ]
}

/// The parameters with their reasons, a line each, as lines that are not to be wrapped.
fn table(made: &Artefacts<'_>) -> String {
    if made.parameters.is_empty() {
        return "None: Initial Load Only needs no setting of a parameter group.".to_owned();
    }
    let mut text = format!("In the {}:\n", made.parameter_group);
    for p in &made.parameters {
        let when = if p.needs_reboot() { "takes effect after a reboot" } else { "takes effect at once" };
        let need = if p.required { "" } else { ", recommended" };
        text += &format!("\n{} = {} ({when}{need})\n    {}", p.name, p.value, p.why);
    }
    text
}

/// `README.txt`: what lies beside it, and in what order it is used.
pub(super) fn readme(made: &Artefacts<'_>) -> String {
    let mut text = format!("{}\n{}", title(made), about(made));
    text += "\nIn this folder, in the order it is used:\n\
             \x20 aws.sh                   the steps in AWS, in order; read it, then: bash aws.sh\n\
             \x20 trust-policy.json        who may assume the access role (aws.sh has it too)\n\
             \x20 rds-connect-policy.json  what it may do (aws.sh has it too)\n";
    if !made.parameters.is_empty() {
        text +=
            "\x20 parameters.json          for aws rds modify-db-…parameter-group (aws.sh has them too)\n";
    }
    text += "\x20 setup.sql                the user and its grants; run it as the master user\n\
             \x20 aws.tf                   for Terraform, instead of aws.sh\n\
             \x20 clickpipe.tf             for Terraform, the pipe; last\n";
    if made.target.ca_certificate.is_some() {
        text += "\x20 ca.pem                   the certificates that were given, for pipeprobe check\n";
    }
    text += &format!(
        "\nParameters. {}\n\nThen see that it works, and create the pipe:\n\n{}\n",
        table(made),
        made.check
    );
    text
}

fn paragraph(indent: &str, text: &str) -> String {
    text.lines().map(|line| wrapped(indent, indent, line)).collect()
}

fn wrapped(first: &str, rest: &str, text: &str) -> String {
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    wrap(text, options).iter().map(|line| format!("{line}\n")).collect()
}
