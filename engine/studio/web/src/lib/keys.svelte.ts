/** The keys of the page that is open, for the list of keys; and whether a `g` waits for the key that follows it. */

class Pressed {
  waitsFor = "";
  /** Something is being said or chosen: single keys do nothing, also where no field has the focus yet. */
  held = false;
  /** Of the page: keys, and what each does. */
  own = $state.raw<[string[], string][]>([]);
}

export const pressed = new Pressed();

/** Whether a key is meant for something that is typed into. */
export function types(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return Boolean(target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.shadowRoot);
}
