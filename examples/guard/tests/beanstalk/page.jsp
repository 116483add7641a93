<%-- What the app knows of a request. --%><%@
  page contentType="text/plain; charset=us-ascii" session="false" trimDirectiveWhitespaces="true"
%><%
  out.print(request.getRequestURI() + " of " + request.getHeader("Host"));
  out.print(" for " + request.getHeader("X-Forwarded-For"));
%>
