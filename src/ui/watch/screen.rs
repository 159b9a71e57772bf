//! What the full-screen view shows, and what its keys do: a state without a terminal.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::ui::Tone;
use crate::ui::text::count;

/// So many looks back the curves go; more than a terminal is wide shows nothing.
const SAMPLES: usize = 240;
/// Lines that a key for a page goes on.
const PAGE: usize = 10;

/// One look, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Names and values, with what they mean.
    pub facts: Vec<(&'static str, Tone, String)>,
    /// Curves that this view draws from its own looks: a name and the value now.
    pub samples: Vec<(&'static str, u64)>,
    /// Curves that are known from elsewhere, oldest first, with the value to show beside.
    pub series: Vec<(&'static str, Vec<u64>, String)>,
    pub findings: Vec<String>,
    /// Messages that a retry would take.
    pub failed: u64,
    /// Whether the schedule rests; `None` where there is none.
    pub paused: Option<bool>,
    /// The newest errors.
    pub errors: Vec<Entry>,
}

/// A message with an error, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub status: String,
    pub age: String,
    pub error: String,
}

/// What lies over the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Nothing,
    Help,
    /// All that is known of a message.
    Detail(Detail),
    /// A question, and what a yes does.
    Ask(String, Action),
}

/// A message's id, what is known of it, and the line that is shown first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    pub id: String,
    pub text: String,
    pub top: usize,
}

/// What a key asks the command for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Quit,
    Look,
    Detail(String),
    Retry,
    RetryOne(String),
    /// Pause the schedule, or resume it.
    Switch,
}

#[derive(Debug)]
pub struct Screen {
    pub title: String,
    pub board: Board,
    pub history: Vec<(&'static str, VecDeque<u64>)>,
    pub selected: usize,
    pub over: Over,
    /// What a key gave last: an answer, or an error; until the next key.
    pub message: Option<(Tone, String)>,
    /// Why the last look failed.
    pub trouble: Option<String>,
    /// Seconds since the look that is shown.
    pub age_s: u64,
    pub looked: bool,
}

impl Screen {
    pub fn new(title: String) -> Screen {
        Screen {
            title,
            board: Board::default(),
            history: vec![],
            selected: 0,
            over: Over::Nothing,
            message: None,
            trouble: None,
            age_s: 0,
            looked: false,
        }
    }

    /// Takes a new look.
    pub fn take(&mut self, board: Board) {
        for (name, value) in &board.samples {
            let at = self.history.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                self.history.push((name, VecDeque::new()));
                self.history.len() - 1
            });
            let values = &mut self.history[at].1;
            values.push_back(*value);
            if values.len() > SAMPLES {
                values.pop_front();
            }
        }
        // The same message stays selected while it is there.
        let chosen = self.board.errors.get(self.selected).map(|entry| entry.id.clone());
        self.board = board;
        let found = self.board.errors.iter().position(|entry| Some(&entry.id) == chosen.as_ref());
        self.selected = found.unwrap_or(self.selected).min(self.board.errors.len().saturating_sub(1));
        self.looked = true;
        self.trouble = None;
        self.age_s = 0;
    }

    pub fn press(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Action::Quit);
        }
        self.message = None;
        match std::mem::replace(&mut self.over, Over::Nothing) {
            Over::Ask(_, action) if matches!(key.code, KeyCode::Char('y' | 'Y')) => Some(action),
            Over::Ask(..) => {
                self.message = Some((Tone::Plain, "Nothing was changed".to_owned()));
                None
            }
            // Any other key closes what lies over the list.
            Over::Help => None,
            Over::Detail(detail) => {
                self.read(detail, key.code);
                None
            }
            Over::Nothing => self.choose(key.code),
        }
    }

    fn choose(&mut self, key: KeyCode) -> Option<Action> {
        let last = self.board.errors.len().saturating_sub(1);
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Some(Action::Quit),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Enter => return self.board.errors.get(self.selected).map(|e| Action::Detail(e.id.clone())),
            KeyCode::Char('?' | 'h') => self.over = Over::Help,
            KeyCode::Char('r') => match self.board.failed {
                0 => self.message = Some((Tone::Plain, "No failed messages to try again".to_owned())),
                failed => self.ask(&format!("Try {} again, now?", count(failed, "failed message")), Action::Retry),
            },
            KeyCode::Char('p') => match self.board.paused {
                None => self.message = Some((Tone::Bad, "There is no retry schedule".to_owned())),
                Some(false) => self.ask("Pause the retry schedule?", Action::Switch),
                Some(true) => self.ask("Resume the retry schedule?", Action::Switch),
            },
            KeyCode::Char(' ') => return Some(Action::Look),
            _ => {}
        }
        None
    }

    /// A key while a message is shown.
    fn read(&mut self, mut detail: Detail, key: KeyCode) {
        let last = detail.text.lines().count().saturating_sub(1);
        match key {
            KeyCode::Down | KeyCode::Char('j') => detail.top += 1,
            KeyCode::Up | KeyCode::Char('k') => detail.top = detail.top.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => detail.top += PAGE,
            KeyCode::PageUp => detail.top = detail.top.saturating_sub(PAGE),
            KeyCode::Char('r') => {
                let question = format!("Try {} again, now?", detail.id);
                return self.ask(&question, Action::RetryOne(detail.id));
            }
            _ => return,
        }
        detail.top = detail.top.min(last);
        self.over = Over::Detail(detail);
    }

    fn ask(&mut self, question: &str, action: Action) {
        self.over = Over::Ask(question.to_owned(), action);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn board() -> Board {
        let entry = |id: &str| Entry {
            id: id.to_owned(),
            status: "Failure".into(),
            age: "3m 20s".into(),
            error: "Unavailable NotFound: Topic does not exist".into(),
        };
        Board {
            facts: vec![
                ("Backlog", Tone::Warning, "0 Pending, 12 Failure, 1 Dead".into()),
                ("Oldest", Tone::Plain, "3m 20s old".into()),
                ("Alarm", Tone::Bad, "ALARM since 3m ago".into()),
                ("Schedule", Tone::Plain, "ENABLED rate(1 minute)".into()),
            ],
            samples: vec![("Failure", 12), ("Pending", 0)],
            series: vec![("Delivered/min", vec![1, 5, 9], "9".into())],
            findings: vec!["the breaker is open".into()],
            failed: 12,
            paused: Some(false),
            errors: vec![entry("order-1"), entry("order-2"), entry("order-3")],
        }
    }

    fn press(screen: &mut Screen, code: KeyCode) -> Option<Action> {
        screen.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn what_changes_something_asks_first() {
        let mut screen = Screen::new("t".into());
        assert_eq!(press(&mut screen, KeyCode::Char('r')), None);
        assert_eq!(screen.over, Over::Nothing, "there is nothing to try again");
        screen.take(board());
        assert_eq!(press(&mut screen, KeyCode::Char('r')), None);
        assert_eq!(screen.over, Over::Ask("Try 12 failed messages again, now?".into(), Action::Retry));
        assert_eq!(press(&mut screen, KeyCode::Char('n')), None);
        assert_eq!(screen.over, Over::Nothing);
        press(&mut screen, KeyCode::Char('p'));
        assert_eq!(screen.over, Over::Ask("Pause the retry schedule?".into(), Action::Switch));
        assert_eq!(press(&mut screen, KeyCode::Char('y')), Some(Action::Switch));
        screen.take(Board { paused: Some(true), ..board() });
        press(&mut screen, KeyCode::Char('p'));
        assert_eq!(screen.over, Over::Ask("Resume the retry schedule?".into(), Action::Switch));
        press(&mut screen, KeyCode::Esc);
        assert!(screen.message.is_some());
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Some(Action::Quit));
    }

    #[test]
    fn the_selection_stays_with_its_message() {
        let mut screen = Screen::new("t".into());
        screen.take(board());
        press(&mut screen, KeyCode::Down);
        assert_eq!(press(&mut screen, KeyCode::Enter), Some(Action::Detail("order-2".into())));
        let mut next = board();
        next.errors.remove(0);
        screen.take(next);
        assert_eq!(screen.selected, 0);
        press(&mut screen, KeyCode::Up);
        assert_eq!(press(&mut screen, KeyCode::Enter), Some(Action::Detail("order-2".into())));
        screen.take(Board::default());
        assert_eq!(press(&mut screen, KeyCode::Enter), None);
    }

    #[test]
    fn a_message_is_read_to_its_end_and_tried_again() {
        let mut screen = Screen::new("t".into());
        let text = (0..15).map(|line| format!("{line}\n")).collect();
        screen.over = Over::Detail(Detail { id: "order-1".into(), text, top: 0 });
        let top = |screen: &Screen| match &screen.over {
            Over::Detail(detail) => Some(detail.top),
            _ => None,
        };
        press(&mut screen, KeyCode::Up);
        press(&mut screen, KeyCode::Down);
        assert_eq!(top(&screen), Some(1));
        press(&mut screen, KeyCode::PageDown);
        press(&mut screen, KeyCode::PageDown);
        assert_eq!(top(&screen), Some(14));
        press(&mut screen, KeyCode::Char('r'));
        assert_eq!(press(&mut screen, KeyCode::Char('y')), Some(Action::RetryOne("order-1".into())));
        screen.over = Over::Detail(Detail { id: "order-1".into(), text: String::new(), top: 0 });
        assert_eq!(press(&mut screen, KeyCode::Char('q')), None);
        assert_eq!(screen.over, Over::Nothing);
    }

    #[test]
    fn a_look_that_works_ends_the_trouble_and_a_key_the_answer() {
        let mut screen = Screen::new("t".into());
        screen.trouble = Some("no connection".into());
        screen.message = Some((Tone::Good, "done".into()));
        screen.take(board());
        assert_eq!((&screen.trouble, screen.message.is_some()), (&None, true));
        press(&mut screen, KeyCode::Down);
        assert_eq!(screen.message, None);
    }

    #[test]
    fn curves_grow_with_each_look_and_not_for_ever() {
        let mut screen = Screen::new("t".into());
        (0..SAMPLES + 5).for_each(|_| screen.take(board()));
        assert_eq!(screen.history.len(), 2);
        assert_eq!(screen.history[0].1.len(), SAMPLES);
    }
}
