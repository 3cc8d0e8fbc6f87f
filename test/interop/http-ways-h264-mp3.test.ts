import { testHttpWays } from './http-ways.ts';

testHttpWays('h264-mp3');
