import { testHttpWays } from './http-ways.ts';

testHttpWays('hevc-aac');
