//! Draws the full-screen view; it fits 80 columns and 24 lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Sparkline, Table, TableState, Wrap};

use super::screen::{Over, Screen};
use crate::ui::Tone;

const DETAIL_KEYS: &str = "↑↓ scroll  space page  r retry this message  any other key  back";
const KEYS: &str = "↑↓ select  Enter show  r retry  p pause/resume  space look now  ? help  q quit";
const HELP: &str = "\
↑ ↓ or j k   select one of the newest errors
Enter        all that is known of the selected message
             ↑ ↓ scroll there, r tries this one again (asks first)
r            try all failed messages again, now (asks first)
p            pause the retry schedule, or resume it (asks first)
space        look now, and not only when the interval is over
q, Esc       quit

Failure and Pending are drawn from the looks of this view,
the other curves from the metrics of the last half hour.";
/// Columns of a fact's name.
const NAME: usize = 13;
/// Lines of a curve with its name.
const CURVE: u16 = 3;

pub fn draw(frame: &mut Frame, screen: &Screen, color: bool) {
    let findings = screen.board.findings.len().min(3) as u16;
    let curves = (screen.history.len() + screen.board.series.len()).min(4) as u16;
    let top = (screen.board.facts.len() as u16).max(curves * 2).max(1);
    let [title, upper, found, list, message, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(top),
        Constraint::Length(findings),
        Constraint::Min(CURVE),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, title, screen);
    let [facts, curves] = Layout::horizontal([Constraint::Min(48), Constraint::Percentage(34)]).spacing(2).areas(upper);
    draw_facts(frame, facts, screen, color);
    draw_curves(frame, curves, screen, color);
    let lines = screen.board.findings.iter().take(3).map(|text| styled(Tone::Warning, &format!("! {text}"), color));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<Line>>()), found);
    draw_errors(frame, list, screen);
    let trouble = screen.trouble.as_ref().map(|text| (Tone::Bad, text.clone()));
    if let Some((tone, text)) = screen.message.as_ref().or(trouble.as_ref()) {
        frame.render_widget(Paragraph::new(styled(*tone, text, color)), message);
    }
    let known = if matches!(screen.over, Over::Detail(_)) { DETAIL_KEYS } else { KEYS };
    frame.render_widget(Paragraph::new(Line::from(known).style(Style::new().add_modifier(Modifier::DIM))), keys);
    // What is to be read has all the room; behind a question stays what it is about.
    let whole = Rect { height: frame.area().height.saturating_sub(3), y: title.y + title.height, ..frame.area() };
    draw_over(
        frame,
        if matches!(screen.over, Over::Ask(..)) { list } else { whole.intersection(frame.area()) },
        screen,
    );
}

fn draw_title(frame: &mut Frame, area: Rect, screen: &Screen) {
    let age = match screen.looked {
        true if screen.age_s < 2 => "now".to_owned(),
        true => format!("{} s ago", screen.age_s),
        false => "looking …".to_owned(),
    };
    let line = Line::from(vec![
        Span::styled(screen.title.clone(), Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("   looked {age}")),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_facts(frame: &mut Frame, area: Rect, screen: &Screen, color: bool) {
    let lines = screen.board.facts.iter().map(|(name, tone, value)| {
        let room = usize::from(area.width).saturating_sub(NAME);
        let mut line = styled(*tone, &console::truncate_str(value, room, "…"), color);
        line.spans.insert(0, Span::raw(format!("{name:<NAME$}")));
        line
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<Line>>()), area);
}

/// Each curve in two lines: its name with the value now, and the curve; the newest is at the right.
fn draw_curves(frame: &mut Frame, area: Rect, screen: &Screen, color: bool) {
    let own = screen.history.iter().map(|(name, values)| {
        let now = values.back().map(u64::to_string).unwrap_or_default();
        (*name, values.iter().copied().collect::<Vec<u64>>(), now)
    });
    let all: Vec<_> = own.chain(screen.board.series.iter().cloned()).take(4).collect();
    let rows = Layout::vertical(all.iter().map(|_| Constraint::Length(2))).split(area);
    for ((name, values, now), row) in all.iter().zip(rows.iter()) {
        let [head, curve] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(*row);
        frame.render_widget(Paragraph::new(format!("{name} {now}")), head);
        let visible = &values[values.len().saturating_sub(usize::from(curve.width))..];
        let style = if color { Style::new().fg(Color::Cyan) } else { Style::new() };
        frame.render_widget(Sparkline::default().data(visible.iter().copied()).style(style), curve);
    }
}

fn draw_errors(frame: &mut Frame, area: Rect, screen: &Screen) {
    if screen.board.errors.is_empty() {
        let text = if screen.looked { "No failed and no dead messages." } else { "" };
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let rows = screen
        .board
        .errors
        .iter()
        .map(|entry| Row::new([plain(&entry.id), entry.status.clone(), entry.age.clone(), plain(&entry.error)]));
    let longest = screen.board.errors.iter().map(|entry| entry.id.chars().count()).max().unwrap_or(0);
    let widths = [
        Constraint::Length(longest.clamp(2, 28) as u16),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Min(10),
    ];
    let head =
        Row::new(["NEWEST ERRORS", "STATUS", "CHANGED", "ERROR"]).style(Style::new().add_modifier(Modifier::BOLD));
    let widths = [Constraint::Length(longest.clamp(13, 28) as u16), widths[1], widths[2], widths[3]];
    let table = Table::new(rows, widths)
        .header(head)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol("> ");
    let mut state = TableState::default().with_selected(Some(screen.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_over(frame: &mut Frame, area: Rect, screen: &Screen) {
    let (title, text, top) = match &screen.over {
        Over::Nothing => return,
        Over::Help => ("Keys", HELP.to_owned(), 0),
        Over::Detail(detail) => ("Message", detail.text.clone(), detail.top),
        Over::Ask(question, _) => ("Sure?", format!("{question}\n\ny  yes    any other key  no"), 0),
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(title);
    let lines: Vec<Line> = text.lines().skip(top).map(|line| Line::from(plain(line))).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn styled(tone: Tone, text: &str, color: bool) -> Line<'static> {
    let style = match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Good if color => Style::new().fg(Color::Green),
        Tone::Warning if color => Style::new().fg(Color::Yellow),
        Tone::Bad if color => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Good | Tone::Warning | Tone::Bad => Style::new().add_modifier(Modifier::BOLD),
    };
    Line::from(Span::styled(plain(text), style))
}

/// What came from elsewhere must not command the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::screen::Detail;
    use super::super::screen::tests::board;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(screen: &Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, screen, true)).expect("drawn");
        let buffer = terminal.backend().buffer().clone();
        let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..height).map(|y| line(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn it_fits_80_columns_and_24_lines() {
        let mut screen = Screen::new("disa-devl in us-east-1".into());
        screen.take(board());
        let lines = drawn(&screen, 80, 24);
        assert_eq!(lines[0], "disa-devl in us-east-1   looked now");
        assert!(lines[1].starts_with("Backlog      0 Pending, 12 Failure, 1 Dead") && lines[1].contains("Failure 12"));
        assert!(lines[5].contains("Delivered/min 9") && lines[6].contains('█'), "{lines:#?}");
        assert_eq!(lines[7], "! the breaker is open");
        assert!(lines[9].starts_with("> order-1"), "{lines:#?}");
        assert!(lines[10].contains("order-2") && lines[10].contains("Unavailable NotFound"), "{lines:#?}");
        assert!(lines[23].contains("q quit") && KEYS.chars().count() <= 80, "{lines:#?}");
    }

    fn long() -> Detail {
        let text = (0..99).map(|line| format!("line {line}\n")).collect();
        Detail { id: "order-1".into(), text, top: 0 }
    }

    #[test]
    fn what_is_read_has_all_the_room() {
        let mut screen = Screen::new("t".into());
        screen.take(board());
        screen.over = Over::Help;
        let lines = drawn(&screen, 80, 24);
        assert!(HELP.lines().all(|text| lines.iter().any(|line| line.contains(text.trim()))), "{lines:#?}");
        screen.over = Over::Detail(Detail { top: 3, ..long() });
        let lines = drawn(&screen, 80, 24);
        assert!(lines[2].contains("line 3") && lines[20].contains("line 21"), "{lines:#?}");
        assert!(lines[23].contains("r retry this message"), "{lines:#?}");
    }

    #[test]
    fn any_size_is_drawn() {
        let mut screen = Screen::new("t".into());
        for over in [Over::Nothing, Over::Help, Over::Detail(long())] {
            screen.over = over;
            for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 90)] {
                drawn(&screen, width, height);
                screen.take(board());
            }
        }
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let mut screen = Screen::new("t".into());
        let mut bad = board();
        bad.errors[0].error = "\u{1b}[2Jgone".into();
        screen.take(bad);
        assert!(!drawn(&screen, 80, 24).concat().contains('\u{1b}'));
    }
}
