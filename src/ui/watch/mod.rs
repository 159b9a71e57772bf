//! The full-screen view: the terminal, and its keys.

mod draw;
pub mod screen;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use ratatui::DefaultTerminal;

use self::screen::{Action, Screen};
use super::Ui;
use crate::error::{Doing, Result};

/// The terminal as long as the view has it; given back when this is dropped, and on a panic.
pub struct Terminal {
    terminal: DefaultTerminal,
    events: EventStream,
    color: bool,
}

impl Terminal {
    pub fn enter(ui: &Ui) -> Result<Terminal> {
        let terminal = ratatui::try_init().doing("take the terminal")?;
        Ok(Terminal { terminal, events: EventStream::new(), color: ui.color_out })
    }

    pub fn draw(&mut self, screen: &Screen) -> Result<()> {
        self.terminal.draw(|frame| draw::draw(frame, screen, self.color)).map(|_| ()).doing("draw on the terminal")
    }

    /// Waits for a key, or for another size; gives what the key asks for.
    pub async fn action(&mut self, screen: &mut Screen) -> Option<Action> {
        match self.events.next().await {
            Some(Ok(Event::Key(key))) => screen.press(key),
            Some(Ok(_)) => None,
            // The terminal is gone.
            Some(Err(_)) | None => Some(Action::Quit),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
