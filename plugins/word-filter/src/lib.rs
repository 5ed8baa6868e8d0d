use natterjack_plugin_sdk::prelude::*;

#[derive(Default)]
struct NoAds;

impl MessageFilter for NoAds {
    fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
        if draft.body.contains("casino") { Verdict::reject("spam", "no ads here") } else { Verdict::Allow }
    }
}

register!(NoAds: message_filter);
