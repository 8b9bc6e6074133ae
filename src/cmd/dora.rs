use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::catalog::{Catalog, Delivery, DeliveryQuestion};
use crate::cli::{Dora, Format, Side};
use crate::domain::metrics::{FlowReport, Wanted, Window};
use crate::view::{self, Columns};

pub(super) async fn run(context: &Context, args: Dora) -> Result<Exit, Failure> {
    let (format, is_flow, question) = (args.output, args.flow, question(context, args)?);
    let parts = Parts::open_to_look(context).await?;
    let mut catalog = parts.catalog(context)?;
    let asked = async |catalog: &Catalog| -> Result<Answer, Failure> {
        catalog.refresh_for_metrics(parts.store.as_ref()).await?;
        Ok(match is_flow {
            true => Answer::Flow(Box::new(catalog.flow(&question).await?)),
            false => Answer::Delivery(Box::new(catalog.delivery(&question).await?)),
        })
    };
    let answer = match asked(&catalog).await {
        Err(failure) if failure.is_damage() => {
            catalog = parts.catalog_anew(context)?.ok_or(failure)?;
            asked(&catalog).await?
        }
        answered => answered?,
    };
    context.output.text(&answer.shown(format)?)?;
    if let Format::Table | Format::Wide = format {
        answer.notes().iter().for_each(|note| context.output.say(note));
    }
    Ok(Exit::Done)
}

enum Answer {
    Delivery(Box<Delivery>),
    Flow(Box<FlowReport>),
}

impl Answer {
    fn shown(&self, format: Format) -> Result<String, Failure> {
        match self {
            Self::Delivery(delivery) => shown(delivery, format),
            Self::Flow(report) => shown_flow(report, format),
        }
    }

    fn notes(&self) -> Vec<String> {
        let caution = |caution: Option<&str>| caution.map(str::to_owned).into_iter();
        match self {
            Self::Delivery(delivery) => {
                caution(delivery.caution).chain(view::delivery_notes(&delivery.report)).collect()
            }
            Self::Flow(report) => caution(report.caution).collect(),
        }
    }
}

fn shown_flow(report: &FlowReport, format: Format) -> Result<String, Failure> {
    Ok(match format {
        Format::Table => view::flow_table(report, Columns::Few),
        Format::Wide => view::flow_table(report, Columns::All),
        Format::Json => view::json(report).map_err(anyhow::Error::from)?,
        Format::Csv => view::flow_csv(report).map_err(anyhow::Error::from)?,
    })
}

fn question(context: &Context, args: Dora) -> Result<DeliveryQuestion, Failure> {
    let now = context.clock().now();
    let window = Window { from: args.since.resolve(now), until: args.until.map_or(now, |until| until.resolve(now)) };
    if window.from >= window.until {
        return Err(Failure::usage("--since is not before --until"));
    }
    if args.group == Some(Side::Person) && !context.config.terms.people {
        let failure = Failure::usage("people are not compared here");
        return Err(failure.hint("say people = true under [metrics] in the configuration file, and mind who reads it"));
    }
    Ok(DeliveryQuestion {
        wanted: Wanted {
            organization: args.organization,
            project: args.project,
            pipeline: args.pipeline,
            repository: args.repository,
            environment: args.environment,
            service: args.service,
            team: args.team,
        },
        window,
        zone: args.time_zone.unwrap_or(context.config.zone),
        period: args.by.map(Into::into),
        group: args.group.map(Into::into),
        work: args.show_work,
        terms: context.config.terms.clone(),
        owners: context.config.owners.clone(),
        now,
    })
}

fn shown(delivery: &Delivery, format: Format) -> Result<String, Failure> {
    Ok(match format {
        Format::Table => view::delivery_table(delivery, Columns::Few),
        Format::Wide => view::delivery_table(delivery, Columns::All),
        Format::Json => view::json(delivery).map_err(anyhow::Error::from)?,
        Format::Csv => view::delivery_csv(delivery).map_err(anyhow::Error::from)?,
    })
}
