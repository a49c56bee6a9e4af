/** The editor in a file of its own: only who edits a row reads it. */
import TextEditor from "./TextEditor.svelte";

export default TextEditor;
