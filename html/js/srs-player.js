// SRS's player page lived at /players/srs_player.html; bookmarks of it lead to ours.
import { fromSrsQuery } from './watch-addresses.js';

location.replace(fromSrsQuery(new URLSearchParams(location.search)));
