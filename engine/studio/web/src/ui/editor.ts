/** The editor in a file of its own: only the page that needs it reads it. */
import Editor from "./Editor.svelte";

export default Editor;
